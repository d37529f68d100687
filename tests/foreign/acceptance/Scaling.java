package acceptance;

import io.pravega.client.stream.EventRead;
import io.pravega.client.stream.EventStreamReader;
import io.pravega.client.stream.EventStreamWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Streams that scale up and down while they are used. */
final class Scaling {
    private static final int ROUNDS = 500;

    private Scaling() {}

    static void whileWritingAndReading(Trial trial) throws Exception {
        trial.create("stream", 1);
        List<String> written = Keyed.numbered(Keyed.KEYS, 0, ROUNDS);
        trial.groups.createReaderGroup("group", Keyed.everything(trial, "stream"));
        ExecutorService executor = Executors.newFixedThreadPool(3);
        try (Control control = new Control(trial);
                EventStreamReader<String> one = Keyed.reader(trial, "one", "group");
                EventStreamReader<String> two = Keyed.reader(trial, "two", "group")) {
            Future<?> writing = executor.submit(() -> write(trial, written));
            Future<List<String>> byOne = executor.submit(() -> readToTheEnd(one));
            Future<List<String>> byTwo = executor.submit(() -> readToTheEnd(two));
            for (int segments : List.of(2, 4, 3, 1)) {
                trial.check("scaled to " + segments, control.scale("stream", segments));
                trial.report("segments", control.segments("stream"));
            }
            trial.check("an update scales too", trial.streams.updateStream(trial.scope, "stream", Trial.fixed(2)));
            trial.report("segments then", control.segments("stream"));
            writing.get();
            trial.check("the stream is sealed", trial.streams.sealStream(trial.scope, "stream"));
            trial.check("it has no segments to write to", control.segments("stream").isEmpty());
            List<String> both = new ArrayList<>(byOne.get());
            both.addAll(byTwo.get());
            trial.check("each is read once", Keyed.sameInAnyOrder(both, written));
        }
        executor.shutdown();
        trial.check("all lie in order per key", Keyed.same(BatchReads.everything(trial, "stream"), written));
        List<String> alone = Keyed.read(trial, "alone", Keyed.everything(trial, "stream"), written.size());
        trial.check("one reader reads them in order per key", Keyed.same(alone, written));
    }

    /** Slowly, so that it lasts as long as the scaling does. */
    private static Void write(Trial trial, List<String> events) throws Exception {
        try (EventStreamWriter<String> writer = Keyed.writer(trial, "stream")) {
            for (int i = 0; i < events.size(); i++) {
                writer.writeEvent(Keyed.key(events.get(i)), events.get(i));
                if (i % Keyed.KEYS.size() == 0) {
                    Thread.sleep(4);
                }
            }
            writer.flush();
        }
        return null;
    }

    private static List<String> readToTheEnd(EventStreamReader<String> reader) {
        List<String> events = new ArrayList<>();
        EventRead<String> read;
        do {
            read = reader.readNextEvent(500);
            if (read.getEvent() != null) {
                events.add(read.getEvent());
            }
        } while (!read.isReadCompleted());
        return events;
    }

    static void refusals(Trial trial) throws Exception {
        trial.create("stream", 2);
        try (Control control = new Control(trial)) {
            trial.check("scaled", control.scale("stream", List.of(0L), ranges(0, 0.25, 0.5)));
            trial.report("segments", control.segments("stream"));
            trial.check("not what is sealed", !control.scale("stream", List.of(0L), ranges(0, 0.25, 0.5)));
            trial.refused("with a gap", () -> control.scale("stream", List.of(1L), ranges(0.6, 1)));
            trial.refused("to another's keys", () -> control.scale("stream", List.of(1L), ranges(0.25, 0.75, 1)));
            trial.check("not to less than its policy wants", !control.scale("stream", 1));
            trial.refused("no stream", () -> control.scale("other", List.of(0L), ranges(0, 1)));
            trial.report("segments then", control.segments("stream"));
            trial.refused("segments of no stream", () -> control.segments("other"));
        }
    }

    private static Map<Double, Double> ranges(double... bounds) {
        Map<Double, Double> ranges = new TreeMap<>();
        for (int i = 1; i < bounds.length; i++) {
            ranges.put(bounds[i - 1], bounds[i]);
        }
        return ranges;
    }
}
