package acceptance;

import io.pravega.client.stream.Checkpoint;
import io.pravega.client.stream.EventRead;
import io.pravega.client.stream.EventStreamReader;
import io.pravega.client.stream.Position;
import io.pravega.client.stream.ReaderGroup;
import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamCut;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.atomic.AtomicInteger;

/** Readers that share a stream, and the state of their group. */
final class ReaderGroups {
    private ReaderGroups() {}

    static void twoReaders(Trial trial) throws Exception {
        trial.create("stream", 4);
        List<String> written = Keyed.numbered(Keyed.KEYS, 0, 50);
        Keyed.write(trial, "stream", written);
        trial.groups.createReaderGroup("group", withoutCheckpoints(trial).build());
        AtomicInteger left = new AtomicInteger(written.size());
        try (EventStreamReader<String> one = Keyed.reader(trial, "one", "group");
                EventStreamReader<String> two = Keyed.reader(trial, "two", "group")) {
            ExecutorService executor = Executors.newFixedThreadPool(2);
            Future<List<String>> byOne = executor.submit(() -> readShare(one, left));
            Future<List<String>> byTwo = executor.submit(() -> readShare(two, left));
            List<String> both = new ArrayList<>(byOne.get());
            both.addAll(byTwo.get());
            executor.shutdown();
            trial.check("each is read by one of them, in order per key", Keyed.same(both, written));
            trial.check("both read", !byOne.get().isEmpty() && !byTwo.get().isEmpty());
            ReaderGroup group = trial.groups.getReaderGroup("group");
            trial.report("online", new TreeSet<>(group.getOnlineReaders()));
            trial.report("segments", group.getReaderSegmentDistribution().getReaderSegmentDistribution().values().stream()
                    .mapToInt(Integer::intValue)
                    .sum());
        }
    }

    private static List<String> readShare(EventStreamReader<String> reader, AtomicInteger left) {
        List<String> events = new ArrayList<>();
        while (left.get() > 0) {
            String event = reader.readNextEvent(500).getEvent();
            if (event != null) {
                events.add(event);
                left.decrementAndGet();
            }
        }
        return events;
    }

    /** A reader that dies is removed by others: at the position that it is known to have reached, or where it began. */
    static void removal(Trial trial) {
        trial.create("stream", 1);
        List<String> written = Keyed.numbered(Keyed.KEYS, 0, 5);
        Keyed.write(trial, "stream", written);
        trial.groups.createReaderGroup("group", withoutCheckpoints(trial).build());
        ReaderGroup group = trial.groups.getReaderGroup("group");
        EventStreamReader<String> first = Keyed.reader(trial, "first", "group");
        List<String> read = Keyed.readAtLeast(first, 9);
        Position reached = read(first, read);
        trial.report("online", new TreeSet<>(group.getOnlineReaders()));
        group.readerOffline("first", reached);
        trial.report("online without the first", new TreeSet<>(group.getOnlineReaders()));
        trial.refused("read on by the first", () -> readUntilRefused(first));
        EventStreamReader<String> second = Keyed.reader(trial, "second", "group");
        trial.check("the second starts there", Keyed.readAtLeast(second, 10).equals(written.subList(10, 20)));
        group.readerOffline("second", null);
        try (EventStreamReader<String> third = Keyed.reader(trial, "third", "group")) {
            List<String> rest = Keyed.read(third, 30);
            trial.check("the third starts where the second started", rest.equals(written.subList(10, 40)));
            trial.report("online in the end", new TreeSet<>(group.getOnlineReaders()));
            trial.refused("a reader of a name in use", () -> Keyed.reader(trial, "third", "group"));
        }
        trial.check("a closed reader is offline", group.getOnlineReaders().isEmpty());
    }

    private static Position read(EventStreamReader<String> reader, List<String> events) {
        EventRead<String> read = reader.readNextEvent(5000);
        events.add(read.getEvent());
        return read.getPosition();
    }

    private static EventRead<String> readUntilRefused(EventStreamReader<String> reader) throws Exception {
        EventRead<String> read = reader.readNextEvent(500);
        // It looks at the group's state only from time to time.
        for (int reads = 0; reads < 40; reads++) {
            read = reader.readNextEvent(500);
        }
        return read;
    }

    static void checkpoint(Trial trial) throws Exception {
        trial.create("stream", 4);
        List<String> before = Keyed.numbered(Keyed.KEYS, 0, 10);
        List<String> after = Keyed.numbered(Keyed.KEYS, 10, 5);
        Keyed.write(trial, "stream", before);
        trial.groups.createReaderGroup("group", withoutCheckpoints(trial).build());
        ReaderGroup group = trial.groups.getReaderGroup("group");
        Checkpoint checkpoint;
        EventStreamReader<String> one = Keyed.reader(trial, "one", "group");
        EventStreamReader<String> two = Keyed.reader(trial, "two", "group");
        trial.check("all before it is read", Keyed.same(readByTurns(one, two, before.size()), before));
        checkpoint = checkpoint(trial, group, one, two);
        StreamCut cut = checkpoint.asImpl().getPositions().get(trial.stream("stream"));
        trial.report("cut", Trial.offsets(cut));
        trial.check("it is the tail", cut.equals(trial.tail("stream")));
        trial.report("the group's cuts", cuts(group.getStreamCuts()));
        Keyed.write(trial, "stream", after);
        trial.check("all after it is read", Keyed.same(readByTurns(one, two, after.size()), after));
        group.resetReaderGroup(ReaderGroupConfig.builder()
                .startFromCheckpoint(Checkpoint.fromBytes(checkpoint.toBytes()))
                .disableAutomaticCheckpoints()
                .build());
        trial.refused("read on after the reset", () -> readUntilRefused(one));
        one.close();
        two.close();
        try (EventStreamReader<String> again = Keyed.reader(trial, "again", "group")) {
            trial.check("from the checkpoint on again", Keyed.same(Keyed.read(again, after.size()), after));
        }
    }

    private static Checkpoint checkpoint(
            Trial trial, ReaderGroup group, EventStreamReader<String> one, EventStreamReader<String> two)
            throws Exception {
        // The group's own executor has a single thread, which the call blocks.
        ScheduledExecutorService executor = Executors.newScheduledThreadPool(2);
        CompletableFuture<Checkpoint> done = group.initiateCheckpoint("checkpoint", executor);
        List<String> seen = new ArrayList<>();
        while (!done.isDone() || seen.size() < 2) {
            for (EventStreamReader<String> reader : List.of(one, two)) {
                EventRead<String> read = reader.readNextEvent(100);
                if (read.isCheckpoint()) {
                    seen.add(read.getCheckpointName());
                }
            }
        }
        executor.shutdown();
        trial.report("seen by the readers", seen);
        trial.report("name", done.get().getName());
        return done.get();
    }

    private static List<String> readByTurns(EventStreamReader<String> one, EventStreamReader<String> two, int count) {
        List<String> events = new ArrayList<>();
        for (EventStreamReader<String> reader = one; events.size() < count; reader = reader == one ? two : one) {
            String event = reader.readNextEvent(200).getEvent();
            if (event != null) {
                events.add(event);
            }
        }
        return events;
    }

    static void life(Trial trial) {
        trial.create("stream", 2);
        trial.create("other", 1);
        ReaderGroupConfig config = withoutCheckpoints(trial).build();
        trial.check("a group is created", trial.groups.createReaderGroup("group", config));
        trial.report("created again", trial.groups.createReaderGroup("group", config));
        ReaderGroupConfig different = withoutCheckpoints(trial).stream(trial.stream("other")).build();
        trial.refused("create it otherwise", () -> trial.groups.createReaderGroup("group", different));
        trial.refused("create a_b", () -> trial.groups.createReaderGroup("a_b", config));
        trial.refused("get another", () -> trial.groups.getReaderGroup("other"));
        ReaderGroup group = trial.groups.getReaderGroup("group");
        trial.report("streams", new TreeSet<>(group.getStreamNames()));
        trial.report("cuts", cuts(group.getStreamCuts()));
        Keyed.write(trial, "stream", Keyed.numbered(Keyed.KEYS, 0, 10));
        trial.report("unread bytes", group.getMetrics().unreadBytes());
        group.resetReaderGroup(different);
        trial.report("streams after a reset", new TreeSet<>(group.getStreamNames()));
        trial.refused("a reader of another", () -> Keyed.reader(trial, "reader", "other"));
        trial.groups.deleteReaderGroup("group");
        trial.refused("get it when deleted", () -> trial.groups.getReaderGroup("group"));
        trial.refused("delete it again", () -> {
            trial.groups.deleteReaderGroup("group");
            return "deleted";
        });
        trial.check("its name is free again", trial.groups.createReaderGroup("group", config));
        List<String> read = Keyed.read(trial, "group", config, 80);
        trial.check("and it starts anew", Keyed.same(read, Keyed.numbered(Keyed.KEYS, 0, 10)));
    }

    static void betweenCuts(Trial trial) throws Exception {
        trial.create("stream", 3);
        List<String> middle = Keyed.numbered(Keyed.KEYS, 5, 5);
        Keyed.write(trial, "stream", Keyed.numbered(Keyed.KEYS, 0, 5));
        StreamCut from = trial.tail("stream");
        Keyed.write(trial, "stream", middle);
        StreamCut to = trial.tail("stream");
        Keyed.write(trial, "stream", Keyed.numbered(Keyed.KEYS, 10, 5));
        trial.check("a cut survives as text", StreamCut.from(from.asText()).equals(from));
        trial.check("and as bytes", StreamCut.fromBytes(from.toBytes()).equals(from));
        ReaderGroupConfig config = ReaderGroupConfig.builder()
                .stream(trial.stream("stream"), from, to)
                .automaticCheckpointIntervalMillis(1000)
                .groupRefreshTimeMillis(1000)
                .build();
        trial.groups.createReaderGroup("group", config);
        try (EventStreamReader<String> reader = Keyed.reader(trial, "reader", "group")) {
            trial.check("what lies between is read", Keyed.same(Keyed.readAtLeast(reader, middle.size()), middle));
            trial.check("and no more", reader.readNextEvent(2000).getEvent() == null);
        }
        // Only a reader that is at the end when it starts notices it.
        try (EventStreamReader<String> reader = Keyed.reader(trial, "another", "group")) {
            trial.check("another finds the end", completes(reader));
        }
    }

    /** Reads until the reader reports the end of its stream; false if an event comes instead. */
    static boolean completes(EventStreamReader<String> reader) {
        EventRead<String> read;
        do {
            read = reader.readNextEvent(1000);
        } while (read.getEvent() == null && !read.isReadCompleted());
        return read.isReadCompleted();
    }

    private static ReaderGroupConfig.ReaderGroupConfigBuilder withoutCheckpoints(Trial trial) {
        return ReaderGroupConfig.builder()
                .stream(trial.stream("stream"))
                .disableAutomaticCheckpoints()
                .groupRefreshTimeMillis(1000);
    }

    private static Map<String, Object> cuts(Map<Stream, StreamCut> cuts) {
        Map<String, Object> answers = new TreeMap<>();
        cuts.forEach((stream, cut) -> answers.put(stream.getStreamName(), Trial.offsets(cut)));
        return answers;
    }
}
