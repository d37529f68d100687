package acceptance;

import io.pravega.client.stream.EventStreamReader;
import io.pravega.client.stream.EventStreamWriter;
import io.pravega.client.stream.EventWriterConfig;
import io.pravega.client.stream.ReaderConfig;
import io.pravega.client.stream.impl.ByteBufferSerializer;
import java.nio.ByteBuffer;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Events over 8 MiB, which the client writes to a segment of their own that is then merged. */
final class LargeEvents {
    private static final int BYTES = 20 << 20;
    private static final int ATTEMPTS = 5;
    private static final long ATTEMPT_SECONDS = 15;

    private LargeEvents() {}

    static void writeAndRead(Trial trial) throws Exception {
        trial.create("stream", 2);
        byte[] large = new byte[BYTES];
        new Random(20).nextBytes(large);
        write(trial, ByteBuffer.wrap(new byte[] {1}));
        write(trial, ByteBuffer.wrap(large));
        write(trial, ByteBuffer.wrap(new byte[] {2}));
        trial.report("tail", Trial.offsets(trial.tail("stream")));
        trial.groups.createReaderGroup("group", Keyed.everything(trial, "stream"));
        try (EventStreamReader<ByteBuffer> reader = trial.clients.createReader(
                "reader", "group", new ByteBufferSerializer(), ReaderConfig.builder().build())) {
            trial.check("the one before it", next(reader).equals(ByteBuffer.wrap(new byte[] {1})));
            trial.check("it comes whole", next(reader).equals(ByteBuffer.wrap(large)));
            trial.check("the one after it", next(reader).equals(ByteBuffer.wrap(new byte[] {2})));
        }
    }

    /**
     * A store may cover two conditional appends with one acknowledgement, for which the client's writer of large events
     * then waits forever. Nothing is merged by then, so a fresh writer can write the event again.
     */
    private static void write(Trial trial, ByteBuffer event) throws Exception {
        for (int attempt = 1; ; attempt++) {
            CompletableFuture<Void> written =
                    CompletableFuture.runAsync(() -> writeOnce(trial, event.duplicate()), LargeEvents::start);
            try {
                written.get(ATTEMPT_SECONDS, TimeUnit.SECONDS);
                return;
            } catch (TimeoutException stuck) {
                if (attempt == ATTEMPTS) {
                    throw stuck;
                }
            }
        }
    }

    private static void start(Runnable attempt) {
        Thread thread = new Thread(attempt, "large event");
        thread.setDaemon(true);
        thread.start();
    }

    private static void writeOnce(Trial trial, ByteBuffer event) {
        EventWriterConfig large = EventWriterConfig.builder().enableLargeEvents(true).build();
        try (EventStreamWriter<ByteBuffer> writer =
                trial.clients.createEventWriter("stream", new ByteBufferSerializer(), large)) {
            writer.writeEvent("key", event).join();
        }
    }

    private static ByteBuffer next(EventStreamReader<ByteBuffer> reader) {
        ByteBuffer event = null;
        while (event == null) {
            event = reader.readNextEvent(1000).getEvent();
        }
        return event;
    }
}
