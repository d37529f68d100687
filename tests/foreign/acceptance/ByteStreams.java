package acceptance;

import io.pravega.client.ByteStreamClientFactory;
import io.pravega.client.byteStream.ByteStreamReader;
import io.pravega.client.byteStream.ByteStreamWriter;
import java.io.DataInputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.Random;

/** Bytes without events. */
final class ByteStreams {
    private static final int BYTES = 3_000_000;

    private ByteStreams() {}

    static void writeAndRead(Trial trial) throws Exception {
        trial.create("stream", 1);
        byte[] bytes = new byte[BYTES];
        new Random(3).nextBytes(bytes);
        try (ByteStreamClientFactory factory = ByteStreamClientFactory.withScope(trial.scope, trial.config);
                ByteStreamWriter writer = factory.createByteStreamWriter("stream");
                ByteStreamReader reader = factory.createByteStreamReader("stream")) {
            trial.report("new", writer.fetchHeadOffset() + " to " + writer.fetchTailOffset());
            writer.write(bytes);
            writer.flush();
            trial.report("written", writer.fetchHeadOffset() + " to " + writer.fetchTailOffset());
            trial.check("they are read", Arrays.equals(read(reader, BYTES), bytes));
            trial.report("read up to", reader.getOffset());
            seek(trial, reader, bytes);
            trial.check("what comes later wakes a reader", wakes(writer, reader));
            truncate(trial, writer, reader, bytes);
            seal(trial, factory, writer, reader);
        }
    }

    /** Unlike {@code readNBytes}, which ends with a read of no bytes: this reader waits for data then. */
    private static byte[] read(ByteStreamReader reader, int count) throws IOException {
        byte[] bytes = new byte[count];
        new DataInputStream(reader).readFully(bytes);
        return bytes;
    }

    private static void seek(Trial trial, ByteStreamReader reader, byte[] bytes) throws Exception {
        reader.seekToOffset(BYTES - 10);
        trial.check("they are read from an offset on", reader.read() == Byte.toUnsignedInt(bytes[BYTES - 10]));
        trial.report("skipped", reader.skip(4));
        trial.report("skipped to", reader.getOffset());
        trial.check("and on", reader.read() == Byte.toUnsignedInt(bytes[BYTES - 5]));
        reader.seekToOffset(BYTES);
    }

    private static boolean wakes(ByteStreamWriter writer, ByteStreamReader reader) throws Exception {
        var available = reader.onDataAvailable();
        boolean early = available.isDone();
        writer.write(7);
        writer.flush();
        available.get();
        return !early && reader.read() == 7;
    }

    private static void truncate(Trial trial, ByteStreamWriter writer, ByteStreamReader reader, byte[] bytes)
            throws Exception {
        writer.truncateDataBefore(1000);
        trial.report("truncated", reader.fetchHeadOffset() + " to " + reader.fetchTailOffset());
        reader.seekToOffset(0);
        trial.refused("read what is truncated", reader::read);
        reader.seekToOffset(1000);
        trial.check("the rest is there", reader.read() == Byte.toUnsignedInt(bytes[1000]));
    }

    private static void seal(
            Trial trial, ByteStreamClientFactory factory, ByteStreamWriter writer, ByteStreamReader reader)
            throws Exception {
        reader.seekToOffset(BYTES);
        writer.write(8);
        writer.closeAndSeal();
        trial.report("up to the end", "%d %d %d".formatted(reader.read(), reader.read(), reader.read()));
        trial.report("the stream is sealed", trial.streams.fetchStreamInfo(trial.scope, "stream").join().isSealed());
        trial.refused("write to what is sealed", () -> {
            try (ByteStreamWriter late = factory.createByteStreamWriter("stream")) {
                late.write(9);
                late.flush();
            }
            return "written";
        });
    }
}
