package acceptance;

import com.google.common.collect.ImmutableList;
import io.pravega.client.SynchronizerClientFactory;
import io.pravega.client.state.InitialUpdate;
import io.pravega.client.state.Revision;
import io.pravega.client.state.Revisioned;
import io.pravega.client.state.RevisionedStreamClient;
import io.pravega.client.state.StateSynchronizer;
import io.pravega.client.state.SynchronizerConfig;
import io.pravega.client.state.Update;
import io.pravega.client.stream.impl.JavaSerializer;
import io.pravega.client.stream.impl.UTF8StringSerializer;
import java.io.Serializable;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;

/** Revisions that are written only if no one else was faster, and state that is agreed on through them. */
final class Revisions {
    private static final SynchronizerConfig CONFIG = SynchronizerConfig.builder().build();

    private Revisions() {}

    static void revisionedStream(Trial trial) throws Exception {
        trial.create("stream", 1);
        try (SynchronizerClientFactory factory = SynchronizerClientFactory.withScope(trial.scope, trial.config);
                RevisionedStreamClient<String> client = client(factory);
                RevisionedStreamClient<String> other = client(factory)) {
            Revision start = client.fetchLatestRevision();
            trial.report("new", "%s to %s".formatted(client.fetchOldestRevision(), start));
            Revision first = client.writeConditionally(start, "first");
            trial.report("written", String.valueOf(first));
            trial.check("another is too late", other.writeConditionally(start, "late") == null);
            Revision second = other.writeConditionally(first, "second");
            trial.report("written by another", String.valueOf(second));
            client.writeUnconditionally("third");
            trial.report("all", values(client.readFrom(start)));
            trial.report("from the first on", values(client.readFrom(first)));
            trial.report("a range", values(client.readRange(first, second)));
            marks(trial, client, other, first, second);
            truncate(trial, client, start, second);
        }
    }

    private static RevisionedStreamClient<String> client(SynchronizerClientFactory factory) {
        return factory.createRevisionedStreamClient("stream", new UTF8StringSerializer(), CONFIG);
    }

    private static void marks(
            Trial trial,
            RevisionedStreamClient<String> client,
            RevisionedStreamClient<String> other,
            Revision first,
            Revision second) {
        trial.check("there is no mark", client.getMark() == null);
        trial.check("one is set", client.compareAndSetMark(null, first));
        trial.check("not by another who did not see it", !other.compareAndSetMark(null, second));
        trial.check("another sees it", other.getMark().equals(first));
        trial.check("another moves it", other.compareAndSetMark(first, second));
        trial.check("it is seen", client.getMark().equals(second));
    }

    private static void truncate(
            Trial trial, RevisionedStreamClient<String> client, Revision start, Revision second) throws Exception {
        client.truncateToRevision(second);
        trial.check("the oldest is moved", client.fetchOldestRevision().equals(second));
        trial.refused("read what is truncated", () -> values(client.readFrom(start)));
        trial.report("what is left", values(client.readFrom(second)));
    }

    private static List<String> values(Iterator<Map.Entry<Revision, String>> entries) {
        return ImmutableList.copyOf(entries).stream().map(Map.Entry::getValue).toList();
    }

    static void synchronizedState(Trial trial) {
        trial.create("stream", 1);
        try (SynchronizerClientFactory factory = SynchronizerClientFactory.withScope(trial.scope, trial.config);
                StateSynchronizer<Names> one = synchronizer(factory);
                StateSynchronizer<Names> two = synchronizer(factory)) {
            one.initialize(new Initial());
            two.initialize(new Initial());
            one.fetchUpdates();
            two.fetchUpdates();
            trial.check("one sees the beginning", one.getState().names.isEmpty());
            trial.check("two sees it too", two.getState().names.isEmpty());
            // Every name is taken once, by whichever comes first.
            CompletableFuture<Integer> byOne = CompletableFuture.supplyAsync(() -> take(one));
            int byTwo = take(two);
            trial.report("taken", byOne.join() + byTwo);
            one.fetchUpdates();
            two.fetchUpdates();
            trial.check("both agree", one.getState().names.equals(two.getState().names));
            trial.check("on the revision too", one.getState().revision.equals(two.getState().revision));
            trial.report("names", one.getState().names);
            two.updateStateUnconditionally(new Add("unconditionally"));
            one.compact(state -> new Compacted(new TreeSet<>(state.names)));
            two.updateState((state, updates) -> {
                updates.add(new Add("after compaction"));
            });
            try (StateSynchronizer<Names> late = synchronizer(factory)) {
                late.fetchUpdates();
                trial.report("names seen by who comes late", late.getState().names);
            }
        }
    }

    private static StateSynchronizer<Names> synchronizer(SynchronizerClientFactory factory) {
        return factory.createStateSynchronizer(
                "stream", new JavaSerializer<Add>(), new JavaSerializer<Beginning>(), CONFIG);
    }

    /** Returns how many of the names were still available. */
    private static int take(StateSynchronizer<Names> synchronizer) {
        return IntStream.range(0, 20)
                .map(number -> synchronizer.<Boolean>updateState((state, updates) -> {
                    String name = "name-%02d".formatted(number);
                    boolean free = !state.names.contains(name);
                    if (free) {
                        updates.add(new Add(name));
                    }
                    return free;
                }) ? 1 : 0)
                .sum();
    }

    private record Names(String scopedStream, Revision revision, TreeSet<String> names) implements Revisioned {
        @Override
        public String getScopedStreamName() {
            return scopedStream;
        }

        @Override
        public Revision getRevision() {
            return revision;
        }
    }

    private record Add(String name) implements Update<Names>, Serializable {
        @Override
        public Names applyTo(Names before, Revision revision) {
            TreeSet<String> names = new TreeSet<>(before.names);
            names.add(name);
            return new Names(before.scopedStream, revision, names);
        }
    }

    private interface Beginning extends InitialUpdate<Names>, Serializable {}

    private record Initial() implements Beginning {
        @Override
        public Names create(String scopedStream, Revision revision) {
            return new Names(scopedStream, revision, new TreeSet<>());
        }
    }

    private record Compacted(TreeSet<String> names) implements Beginning {
        @Override
        public Names create(String scopedStream, Revision revision) {
            return new Names(scopedStream, revision, names);
        }
    }
}
