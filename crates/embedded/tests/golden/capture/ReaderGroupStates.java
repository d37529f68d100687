import com.google.gson.Gson;
import io.pravega.client.ByteStreamClientFactory;
import io.pravega.client.ClientConfig;
import io.pravega.client.EventStreamClientFactory;
import io.pravega.client.admin.ReaderGroupManager;
import io.pravega.client.admin.StreamManager;
import io.pravega.client.byteStream.ByteStreamReader;
import io.pravega.client.state.InitialUpdate;
import io.pravega.client.state.Revision;
import io.pravega.client.state.RevisionedStreamClient;
import io.pravega.client.state.StateSynchronizer;
import io.pravega.client.stream.Checkpoint;
import io.pravega.client.stream.EventStreamReader;
import io.pravega.client.stream.ReaderConfig;
import io.pravega.client.stream.ReaderGroup;
import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.ScalingPolicy;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamConfiguration;
import io.pravega.client.stream.impl.ReaderGroupState;
import io.pravega.client.stream.impl.UTF8StringSerializer;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.net.URI;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * Prints the segment in which a reader group keeps its state, as it was after each of the group's adventures, with the
 * readers that the group itself says are online. Its arguments are the controller of a Pravega, HOST:PORT, and a scope
 * that is not there yet.
 */
public class ReaderGroupStates {
    private final String scope;
    private final ClientConfig config;
    private final EventStreamClientFactory clients;
    private final ReaderGroup group;

    private ReaderGroupStates(
            String scope, ClientConfig config, EventStreamClientFactory clients, ReaderGroup group) {
        this.scope = scope;
        this.config = config;
        this.clients = clients;
        this.group = group;
    }

    public static void main(String[] args) throws Exception {
        String scope = args[1];
        ClientConfig config = ClientConfig.builder().controllerURI(URI.create("tcp://" + args[0])).build();
        try (StreamManager streams = StreamManager.create(config);
                ReaderGroupManager groups = ReaderGroupManager.withScope(scope, config);
                EventStreamClientFactory clients = EventStreamClientFactory.withScope(scope, config)) {
            streams.createScope(scope);
            ScalingPolicy three = ScalingPolicy.fixed(3);
            streams.createStream(scope, "read", StreamConfiguration.builder().scalingPolicy(three).build());
            groups.createReaderGroup("group", of(scope));
            new ReaderGroupStates(scope, config, clients, groups.getReaderGroup("group")).run();
        }
        // Some of the client's threads stay.
        System.exit(0);
    }

    private static ReaderGroupConfig of(String scope) {
        return ReaderGroupConfig.builder()
                .stream(Stream.of(scope, "read"))
                .disableAutomaticCheckpoints()
                .groupRefreshTimeMillis(1000)
                .build();
    }

    private void run() throws Exception {
        print("created");
        EventStreamReader<String> first = reader("first");
        print("a reader joined");
        EventStreamReader<String> second = reader("second");
        for (int turn = 0; turn < 10; turn++) {
            first.readNextEvent(300);
            second.readNextEvent(300);
        }
        print("two readers share the segments");
        checkpoint(first, second);
        print("a checkpoint was made");
        group.readerOffline("first", null);
        print("the first was removed");
        compact();
        print("the state was compacted");
        EventStreamReader<String> third = reader("third");
        third.readNextEvent(2000);
        print("a third joined");
        group.readerOffline("second", null);
        print("the second was removed");
        compact();
        print("the state was compacted again");
        third.close();
        print("the third was closed");
        reader("fourth");
        group.resetReaderGroup(of(scope));
        print("the group was reset");
        reader("fifth");
        print("a fifth joined");
    }

    private EventStreamReader<String> reader(String id) {
        return clients.createReader(id, "group", new UTF8StringSerializer(), ReaderConfig.builder().build());
    }

    private void checkpoint(EventStreamReader<String> first, EventStreamReader<String> second) throws Exception {
        ScheduledExecutorService executor = Executors.newScheduledThreadPool(2);
        CompletableFuture<Checkpoint> done = group.initiateCheckpoint("checkpoint", executor);
        while (!done.isDone()) {
            first.readNextEvent(200);
            second.readNextEvent(200);
        }
        done.get(1, TimeUnit.SECONDS);
        executor.shutdown();
    }

    /** What a reader does by chance, once half a megabyte was written since the last time. */
    private void compact() throws Exception {
        Constructor<?> compacted = Class.forName("io.pravega.client.stream.impl.ReaderGroupState$CompactReaderGroupState")
                .getDeclaredConstructor(ReaderGroupState.class);
        compacted.setAccessible(true);
        state().fetchUpdates();
        state().compact(state -> initial(compacted, state));
    }

    @SuppressWarnings("unchecked")
    private static InitialUpdate<ReaderGroupState> initial(Constructor<?> compacted, ReaderGroupState state) {
        try {
            return (InitialUpdate<ReaderGroupState>) compacted.newInstance(state);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    @SuppressWarnings("unchecked")
    private StateSynchronizer<ReaderGroupState> state() throws Exception {
        return (StateSynchronizer<ReaderGroupState>) field(group, "synchronizer");
    }

    private static Object field(Object object, String name) throws Exception {
        Field field = object.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(object);
    }

    private void print(String after) throws Exception {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("after", after);
        Revision mark = ((RevisionedStreamClient<?>) field(state(), "client")).getMark();
        line.put("mark", mark == null ? null : Long.valueOf(mark.toString().split(":")[1]));
        try (ByteStreamClientFactory factory = ByteStreamClientFactory.withScope(scope, config);
                ByteStreamReader reader = factory.createByteStreamReader("_RGgroup")) {
            long start = reader.fetchHeadOffset();
            reader.seekToOffset(start);
            byte[] segment = new byte[(int) (reader.fetchTailOffset() - start)];
            for (int read = 0; read < segment.length; ) {
                read += reader.read(segment, read, segment.length - read);
            }
            line.put("start", start);
            line.put("segment", Base64.getEncoder().encodeToString(segment));
        }
        line.put("online", new TreeSet<>(group.getOnlineReaders()));
        System.out.println(new Gson().newBuilder().serializeNulls().disableHtmlEscaping().create().toJson(line));
    }
}
