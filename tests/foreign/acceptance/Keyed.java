package acceptance;

import io.pravega.client.stream.EventRead;
import io.pravega.client.stream.EventStreamReader;
import io.pravega.client.stream.EventStreamWriter;
import io.pravega.client.stream.EventWriterConfig;
import io.pravega.client.stream.ReaderConfig;
import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.impl.UTF8StringSerializer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

/** Events that contain their key and their number for that key, {@code key:7}. */
final class Keyed {
    static final List<String> KEYS = List.of("a", "b", "hello", "key-1", "user42", "é", "日本語", "😀");
    private static final long READ_SECONDS = 60;
    /** Silence after which a reader has seen everything. */
    private static final long QUIET_MILLIS = 1000;

    private Keyed() {}

    /** This many consecutive numbers for each key, alternating keys. */
    static List<String> numbered(Collection<String> keys, int from, int count) {
        return IntStream.range(from, from + count)
                .boxed()
                .flatMap(number -> keys.stream().map(key -> key + ":" + number))
                .toList();
    }

    static String key(String event) {
        return event.substring(0, event.lastIndexOf(':'));
    }

    static EventStreamWriter<String> writer(Trial trial, String stream) {
        return trial.clients.createEventWriter(
                stream, new UTF8StringSerializer(), EventWriterConfig.builder().build());
    }

    /** Writes events with their keys, pipelined, and waits until they are stored. */
    static void write(Trial trial, String stream, List<String> events) {
        try (EventStreamWriter<String> writer = writer(trial, stream)) {
            events.forEach(event -> writer.writeEvent(key(event), event));
            writer.flush();
        }
    }

    static EventStreamReader<String> reader(Trial trial, String id, String group) {
        return trial.clients.createReader(
                id, group, new UTF8StringSerializer(), ReaderConfig.builder().build());
    }

    /** For a whole stream; its checkpoints let readers get past a scale. */
    static ReaderGroupConfig everything(Trial trial, String stream) {
        return ReaderGroupConfig.builder()
                .stream(trial.stream(stream))
                .automaticCheckpointIntervalMillis(1000)
                .groupRefreshTimeMillis(1000)
                .build();
    }

    /** Everything that a new reader of a new group gets, at least this many events. */
    static List<String> read(Trial trial, String group, ReaderGroupConfig config, int count) {
        trial.groups.createReaderGroup(group, config);
        try (EventStreamReader<String> reader = reader(trial, "reader", group)) {
            return read(reader, count);
        }
    }

    /** At least this many events, and what arrives within a while after them. */
    static List<String> read(EventStreamReader<String> reader, int count) {
        List<String> events = readAtLeast(reader, count);
        for (EventRead<String> more = reader.readNextEvent(QUIET_MILLIS);
                more.getEvent() != null;
                more = reader.readNextEvent(QUIET_MILLIS)) {
            events.add(more.getEvent());
        }
        return events;
    }

    /** Exactly this many events, if they arrive in time. */
    static List<String> readAtLeast(EventStreamReader<String> reader, int count) {
        List<String> events = new ArrayList<>();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(READ_SECONDS);
        while (events.size() < count && System.nanoTime() < deadline) {
            EventRead<String> read = reader.readNextEvent(QUIET_MILLIS);
            if (read.getEvent() != null) {
                events.add(read.getEvent());
            }
            if (read.isReadCompleted()) {
                break;
            }
        }
        return events;
    }

    /** Each event once, in order for each key. */
    static boolean same(Collection<String> read, Collection<String> written) {
        return byKey(read).equals(byKey(written));
    }

    /** Each event once, in any order, as two readers get them together. */
    static boolean sameInAnyOrder(Collection<String> read, Collection<String> written) {
        return read.stream().sorted().toList().equals(written.stream().sorted().toList());
    }

    static Map<String, List<String>> byKey(Collection<String> events) {
        Map<String, List<String>> byKey = new TreeMap<>();
        events.forEach(event -> byKey.computeIfAbsent(key(event), key -> new ArrayList<>()).add(event));
        return byKey;
    }
}
