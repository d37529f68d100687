package acceptance;

import io.pravega.client.stream.EventPointer;
import io.pravega.client.stream.EventRead;
import io.pravega.client.stream.EventStreamReader;
import io.pravega.client.stream.EventStreamWriter;
import io.pravega.client.stream.impl.UTF8StringSerializer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/** Events written under routing keys and read by one reader. */
final class KeyedEvents {
    private KeyedEvents() {}

    static void writeAndRead(Trial trial) throws Exception {
        trial.create("stream", 4);
        List<String> written = new ArrayList<>(Keyed.numbered(Keyed.KEYS, 0, 100));
        Keyed.write(trial, "stream", written);
        List<String> together = Keyed.numbered(List.of("together"), 0, 10);
        try (EventStreamWriter<String> writer = Keyed.writer(trial, "stream")) {
            writer.writeEvents("together", together).join();
        }
        written.addAll(together);
        trial.report("tail", Trial.offsets(trial.tail("stream")));
        trial.groups.createReaderGroup("group", Keyed.everything(trial, "stream"));
        try (EventStreamReader<String> reader = Keyed.reader(trial, "reader", "group")) {
            read(trial, reader, written);
        }
        readWithoutKeys(trial);
    }

    private static void read(Trial trial, EventStreamReader<String> reader, List<String> written) throws Exception {
        List<String> events = new ArrayList<>();
        Map<String, String> segments = new TreeMap<>();
        EventPointer first = null;
        while (events.size() < written.size()) {
            EventRead<String> read = reader.readNextEvent(1000);
            if (read.getEvent() != null) {
                events.add(read.getEvent());
                // Only the text of an event pointer is public: scope/stream/0.#epoch.0:OFFSET-LENGTH
                String pointer = read.getEventPointer().toString();
                String segment = pointer.substring(0, pointer.lastIndexOf(':'));
                segments.merge(Keyed.key(read.getEvent()), Trial.segmentName(segment), KeyedEvents::bothIfDifferent);
                first = events.size() == 1 ? read.getEventPointer() : first;
            }
        }
        trial.check("each is read once, in order per key", Keyed.same(events, written));
        trial.report("segments", segments);
        trial.check("one is fetched by its pointer", reader.fetchEvent(first).equals(events.get(0)));
        String fetched = trial.streams.fetchEvent(first, new UTF8StringSerializer()).join();
        trial.check("without a reader too", fetched.equals(events.get(0)));
    }

    private static String bothIfDifferent(String one, String other) {
        return one.equals(other) ? one : one + " and " + other;
    }

    private static void readWithoutKeys(Trial trial) throws Exception {
        trial.create("unkeyed", 3);
        List<String> written = IntStream.range(0, 100).mapToObj(number -> "none:" + number).toList();
        try (EventStreamWriter<String> writer = Keyed.writer(trial, "unkeyed")) {
            written.forEach(writer::writeEvent);
            writer.flush();
        }
        List<String> read = Keyed.read(trial, "unkeyed", Keyed.everything(trial, "unkeyed"), written.size());
        trial.check("each without a key is read once", read.size() == 100 && new HashSet<>(read).containsAll(written));
        long used = trial.tail("unkeyed").asImpl().getPositions().values().stream().filter(end -> end > 0).count();
        trial.check("they are spread", used == 3);
    }

    static void sizes(Trial trial) {
        trial.create("stream", 1);
        List<Integer> sizes = List.of(0, 1, 7, 8, 1000, 65_535, 1 << 20, (1 << 20) + 1, 8 << 20, 0, 3);
        List<String> written = sizes.stream().map("x"::repeat).toList();
        try (EventStreamWriter<String> writer = Keyed.writer(trial, "stream")) {
            written.forEach(event -> writer.writeEvent("key", event));
            writer.flush();
            String tooLarge = "x".repeat((8 << 20) + 1);
            trial.refused("write one that is too large", () -> writer.writeEvent("key", tooLarge).get());
        }
        List<String> read = Keyed.read(trial, "group", Keyed.everything(trial, "stream"), written.size());
        trial.report("sizes", read.stream().map(String::length).toList());
        trial.check("they are what was written", read.equals(written));
        trial.report("tail", Trial.offsets(trial.tail("stream")));
    }
}
