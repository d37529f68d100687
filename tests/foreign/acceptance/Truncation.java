package acceptance;

import io.pravega.client.BatchClientFactory;
import io.pravega.client.batch.SegmentRange;
import io.pravega.client.stream.EventPointer;
import io.pravega.client.stream.EventRead;
import io.pravega.client.stream.EventStreamReader;
import io.pravega.client.stream.StreamCut;
import io.pravega.client.stream.TruncatedDataException;
import io.pravega.client.stream.impl.UTF8StringSerializer;
import java.util.ArrayList;
import java.util.List;

/** Streams that lose their beginning. */
final class Truncation {
    private Truncation() {}

    static void truncate(Trial trial) throws Exception {
        var streams = trial.streams;
        trial.create("stream", 2);
        StreamCut beginning = trial.tail("stream");
        Keyed.write(trial, "stream", Keyed.numbered(Keyed.KEYS, 0, 10));
        StreamCut middle = trial.tail("stream");
        List<String> rest = Keyed.numbered(Keyed.KEYS, 10, 10);
        Keyed.write(trial, "stream", rest);
        StreamCut end = trial.tail("stream");
        trial.groups.createReaderGroup("before", Keyed.everything(trial, "stream"));
        EventPointer lost = pointerToFirst(trial);
        trial.check("truncated", streams.truncateStream(trial.scope, "stream", middle));
        trial.check("the head moves", trial.head("stream").equals(middle));
        trial.check("the tail does not", trial.tail("stream").equals(end));
        trial.refused("fetch what is lost", () -> streams.fetchEvent(lost, new UTF8StringSerializer()).join());
        readByWhoBeganBefore(trial, rest);
        trial.check("a batch reads what is left", Keyed.same(BatchReads.everything(trial, "stream"), rest));
        trial.refused("a batch of what is lost", () -> batch(trial, beginning, middle));
        List<String> after = Keyed.read(trial, "after", Keyed.everything(trial, "stream"), rest.size());
        trial.check("a new group starts at the head", Keyed.same(after, rest));
        trial.refused("backwards", () -> streams.truncateStream(trial.scope, "stream", beginning));
        trial.refused("one that is missing", () -> streams.truncateStream(trial.scope, "other", middle));
        acrossScale(trial, end);
    }

    private static EventPointer pointerToFirst(Trial trial) {
        trial.groups.createReaderGroup("pointer", Keyed.everything(trial, "stream"));
        try (EventStreamReader<String> reader = Keyed.reader(trial, "reader", "pointer")) {
            return reader.readNextEvent(10_000).getEventPointer();
        }
    }

    private static void readByWhoBeganBefore(Trial trial, List<String> rest) {
        List<String> events = new ArrayList<>();
        int truncations = 0;
        try (EventStreamReader<String> reader = Keyed.reader(trial, "reader", "before")) {
            while (events.size() < rest.size()) {
                try {
                    EventRead<String> read = reader.readNextEvent(1000);
                    if (read.getEvent() != null) {
                        events.add(read.getEvent());
                    }
                } catch (TruncatedDataException lost) {
                    truncations++;
                }
            }
        }
        trial.report("truncations seen by earlier readers", truncations);
        trial.check("what is left is read", Keyed.same(events, rest));
    }

    private static List<String> batch(Trial trial, StreamCut from, StreamCut to) {
        List<String> events = new ArrayList<>();
        try (BatchClientFactory factory = BatchClientFactory.withScope(trial.scope, trial.config)) {
            for (SegmentRange range : (Iterable<SegmentRange>)
                    () -> factory.getSegments(trial.stream("stream"), from, to).getIterator()) {
                factory.readSegment(range, new UTF8StringSerializer()).forEachRemaining(events::add);
            }
        }
        return events;
    }

    /** Segments before the cut are removed entirely. */
    private static void acrossScale(Trial trial, StreamCut end) throws Exception {
        try (Control control = new Control(trial)) {
            trial.check("scaled", control.scale("stream", 3));
        }
        List<String> last = Keyed.numbered(Keyed.KEYS, 20, 5);
        Keyed.write(trial, "stream", last);
        StreamCut tail = trial.tail("stream");
        trial.check("truncated to the end of an epoch", trial.streams.truncateStream(trial.scope, "stream", end));
        trial.report("head", Trial.offsets(trial.head("stream")));
        trial.check("what came after it is there", Keyed.same(BatchReads.everything(trial, "stream"), last));
        trial.check("truncated to the tail", trial.streams.truncateStream(trial.scope, "stream", tail));
        trial.report("head then", Trial.offsets(trial.head("stream")));
        trial.check("nothing is left", BatchReads.everything(trial, "stream").isEmpty());
        Keyed.write(trial, "stream", List.of("a:99"));
        List<String> read = Keyed.read(trial, "last", Keyed.everything(trial, "stream"), 1);
        trial.check("but what comes then is", read.equals(List.of("a:99")));
    }
}
