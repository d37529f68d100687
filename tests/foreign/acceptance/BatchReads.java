package acceptance;

import com.google.common.collect.ImmutableList;
import io.pravega.client.BatchClientFactory;
import io.pravega.client.batch.SegmentIterator;
import io.pravega.client.batch.SegmentRange;
import io.pravega.client.stream.StreamCut;
import io.pravega.client.stream.impl.UTF8StringSerializer;
import java.util.ArrayList;
import java.util.List;

/** Segments read apart from each other, as batch jobs do. */
final class BatchReads {
    private BatchReads() {}

    static void segments(Trial trial) throws Exception {
        trial.create("stream", 3);
        List<String> first = Keyed.numbered(Keyed.KEYS, 0, 20);
        List<String> second = Keyed.numbered(Keyed.KEYS, 20, 20);
        Keyed.write(trial, "stream", first);
        StreamCut cut = trial.tail("stream");
        try (BatchClientFactory factory = BatchClientFactory.withScope(trial.scope, trial.config)) {
            List<SegmentRange> before = ranges(trial, factory, StreamCut.UNBOUNDED, StreamCut.UNBOUNDED);
            Keyed.write(trial, "stream", second);
            trial.report("ranges", before.stream().map(BatchReads::describe).sorted().toList());
            trial.check("they are read as they were", Keyed.same(read(factory, before), first));
            List<SegmentRange> after = ranges(trial, factory, cut, StreamCut.UNBOUNDED);
            trial.report("ranges from a cut on", after.stream().map(BatchReads::describe).sorted().toList());
            trial.check("they hold what came then", Keyed.same(read(factory, after), second));
            List<SegmentRange> until = ranges(trial, factory, StreamCut.UNBOUNDED, cut);
            trial.check("up to a cut", Keyed.same(read(factory, until), first));
        }
    }

    /** Everything in a stream, earlier epochs first, so that the events of a key are in order. */
    static List<String> everything(Trial trial, String stream) throws Exception {
        try (BatchClientFactory factory = BatchClientFactory.withScope(trial.scope, trial.config)) {
            List<SegmentRange> ranges = new ArrayList<>(ImmutableList.copyOf(
                    factory.getSegments(trial.stream(stream), StreamCut.UNBOUNDED, StreamCut.UNBOUNDED).getIterator()));
            // The epoch is the high half.
            ranges.sort((one, other) -> Long.compare(one.getSegmentId(), other.getSegmentId()));
            return read(factory, ranges);
        }
    }

    private static List<SegmentRange> ranges(Trial trial, BatchClientFactory factory, StreamCut from, StreamCut to) {
        return ImmutableList.copyOf(factory.getSegments(trial.stream("stream"), from, to).getIterator());
    }

    private static List<String> read(BatchClientFactory factory, List<SegmentRange> ranges) {
        List<String> events = new ArrayList<>();
        for (SegmentRange range : ranges) {
            try (SegmentIterator<String> segment = factory.readSegment(range, new UTF8StringSerializer())) {
                segment.forEachRemaining(events::add);
            }
        }
        return events;
    }

    private static String describe(SegmentRange range) {
        return "%d: %d to %d".formatted(range.getSegmentId(), range.getStartOffset(), range.getEndOffset());
    }
}
