import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.pravega.client.BatchClientFactory;
import io.pravega.client.ClientConfig;
import io.pravega.client.EventStreamClientFactory;
import io.pravega.client.KeyValueTableFactory;
import io.pravega.client.admin.KeyValueTableManager;
import io.pravega.client.admin.ReaderGroupManager;
import io.pravega.client.admin.StreamInfo;
import io.pravega.client.admin.StreamManager;
import io.pravega.client.batch.SegmentIterator;
import io.pravega.client.batch.SegmentRange;
import io.pravega.client.control.impl.Controller;
import io.pravega.client.control.impl.ControllerImpl;
import io.pravega.client.control.impl.ControllerImplConfig;
import io.pravega.client.segment.impl.Segment;
import io.pravega.client.stream.EventRead;
import io.pravega.client.stream.EventStreamReader;
import io.pravega.client.stream.EventStreamWriter;
import io.pravega.client.stream.EventWriterConfig;
import io.pravega.client.stream.ReaderConfig;
import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.ScalingPolicy;
import io.pravega.client.stream.Serializer;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamConfiguration;
import io.pravega.client.stream.StreamCut;
import io.pravega.client.stream.TruncatedDataException;
import io.pravega.client.stream.impl.ByteBufferSerializer;
import io.pravega.client.tables.KeyValueTable;
import io.pravega.client.tables.KeyValueTableClientConfiguration;
import io.pravega.client.tables.KeyValueTableConfiguration;
import io.pravega.client.tables.Put;
import io.pravega.client.tables.TableEntry;
import io.pravega.client.tables.TableKey;
import io.pravega.controller.stream.api.grpc.v1.Controller.SegmentRanges;
import io.pravega.controller.stream.api.grpc.v1.ControllerServiceGrpc;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.LoggerFactory;

/**
 * A Pravega client that does not know about the gateway: it reads what the tests write through the gateway, and vice
 * versa. One subcommand per run, JSON lines on stdin and stdout, exit status 1 and a message on stderr if it fails.
 */
public class ForeignClient {
    private static final String USAGE = """
            usage: ForeignClient COMMAND CONTROLLER SCOPE STREAM [ARGUMENT] [--digest]
              create … SEGMENTS     the scope, if missing, and the stream
              write …               stdin: {"key":"k" or null,"base64":"…"} or {"key":…,"random":LENGTH,"seed":SEED}
              write-many … EVENTS BYTES   random keys, one flush at the end, after as many to warm up; prints the seconds
              read … COUNT          through a new reader group
              stay … GROUP READER   keeps a reader of the group open until stdin ends; creates the group if needed
              batch …               all current events
              info …                current segments, head and tail
              scale … SEGMENTS…     to these numbers of equal segments, one scale after another
              truncate-head …       at the current tail
              seal … | delete …     delete seals first
              table-put … KEY VALUE | table-get … KEY    STREAM is a key-value table, made by the first put
            FOREIGN_AUTHORITY names a PEM file: TLS. Credentials are taken from pravega_client_auth_… as in Pravega.
            """;
    private static final long READ_SECONDS = 60;
    private static final long ONE_MORE_SECONDS = 3;
    private static final long SCALE_SECONDS = 60;
    /** Written but not yet acknowledged; bounds the writer's memory. */
    private static final long FLUSH_EVERY_BYTES = 16 << 20;
    private static final long LARGE_EVENT_SECONDS = 20;
    private static final int LARGE_EVENT_ATTEMPTS = 4;

    private final PrintStream out;
    private final ClientConfig config;
    private final String scope;
    private final String stream;
    private final boolean digest;

    private ForeignClient(PrintStream out, String controller, String scope, String stream, boolean digest) {
        this.out = out;
        String authority = System.getenv("FOREIGN_AUTHORITY");
        ClientConfig.ClientConfigBuilder builder = ClientConfig.builder();
        this.config = authority == null
                ? builder.controllerURI(URI.create("tcp://" + controller)).build()
                : builder.controllerURI(URI.create("tls://" + controller)).trustStore(authority).build();
        this.scope = scope;
        this.stream = stream;
        this.digest = digest;
    }

    public static void main(String[] args) throws IOException {
        PrintStream out = System.out;
        // Library output must not mix with the protocol's lines.
        System.setOut(System.err);
        silenceLogging();
        int status = 0;
        try {
            run(out, args);
        } catch (Throwable failure) {
            failure.printStackTrace();
            status = 1;
        }
        out.flush();
        // Some of the client's threads are not daemons.
        System.exit(status);
    }

    /** Before anything logs: the configuration in Pravega's own jars writes to stdout and creates a folder for its files. */
    private static void silenceLogging() throws IOException {
        Path silence = Files.createTempFile("logback", ".xml");
        Files.writeString(silence, "<configuration><root level=\"OFF\"/></configuration>");
        System.setProperty("logback.configurationFile", silence.toString());
        LoggerFactory.getILoggerFactory();
        Files.delete(silence);
    }

    private static void run(PrintStream out, String[] args) throws Exception {
        List<String> words = new ArrayList<>(Arrays.asList(args));
        boolean digest = words.remove("--digest");
        if (words.size() < 4) {
            throw new IllegalArgumentException(USAGE);
        }
        ForeignClient client = new ForeignClient(out, words.get(1), words.get(2), words.get(3), digest);
        client.command(words.get(0), words.subList(4, words.size()));
    }

    private void command(String name, List<String> arguments) throws Exception {
        if (name.equals("scale") && !arguments.isEmpty()) {
            scale(arguments.stream().map(Integer::valueOf).toList());
            return;
        }
        switch (name + "/" + arguments.size()) {
            case "create/1" -> create(Integer.parseInt(arguments.get(0)));
            case "write/0" -> write();
            case "write-many/2" -> writeMany(Integer.parseInt(arguments.get(0)), Integer.parseInt(arguments.get(1)));
            case "read/1" -> read(Long.parseLong(arguments.get(0)));
            case "stay/2" -> stay(arguments.get(0), arguments.get(1));
            case "batch/0" -> batch();
            case "info/0" -> info();
            case "truncate-head/0" -> truncateHead();
            case "seal/0" -> seal();
            case "delete/0" -> delete();
            case "table-put/2" -> tablePut(arguments.get(0), arguments.get(1));
            case "table-get/1" -> tableGet(arguments.get(0));
            default -> throw new IllegalArgumentException(USAGE);
        }
    }

    private void create(int segments) {
        StreamConfiguration fixed =
                StreamConfiguration.builder().scalingPolicy(ScalingPolicy.fixed(segments)).build();
        try (StreamManager manager = StreamManager.create(config)) {
            manager.createScope(scope);
            require(manager.createStream(scope, stream, fixed), "the stream exists already");
        }
    }

    private void seal() {
        try (StreamManager manager = StreamManager.create(config)) {
            require(manager.sealStream(scope, stream), "the stream was not sealed");
        }
    }

    private void delete() {
        seal();
        try (StreamManager manager = StreamManager.create(config)) {
            require(manager.deleteStream(scope, stream), "the stream was not deleted");
        }
    }

    private void truncateHead() {
        try (StreamManager manager = StreamManager.create(config)) {
            StreamCut tail = manager.fetchStreamInfo(scope, stream).join().getTailStreamCut();
            require(manager.truncateStream(scope, stream, tail), "the stream was not truncated");
        }
    }

    private void scale(List<Integer> targets) throws Exception {
        // The call polls on the executor and blocks one of its threads.
        ScheduledExecutorService executor = Executors.newScheduledThreadPool(2);
        ControllerImplConfig controllerConfig = ControllerImplConfig.builder().clientConfig(config).build();
        try (Controller controller = new ControllerImpl(controllerConfig, executor)) {
            for (int segments : targets) {
                scale(controller, executor, segments);
            }
        }
    }

    private void scale(Controller controller, ScheduledExecutorService executor, int segments) throws Exception {
        List<Long> sealed = currentSegments().getSegmentRangesList().stream()
                .map(range -> range.getSegmentId().getSegmentId())
                .toList();
        Map<Double, Double> ranges = new TreeMap<>();
        for (int i = 0; i < segments; i++) {
            ranges.put((double) i / segments, (double) (i + 1) / segments);
        }
        CompletableFuture<Boolean> done =
                controller.scaleStream(Stream.of(scope, stream), sealed, ranges, executor).getFuture();
        require(done.get(SCALE_SECONDS, TimeUnit.SECONDS), "the stream was not scaled");
    }

    private void info() {
        JsonObject info = new JsonObject();
        JsonArray segments = new JsonArray();
        for (var range : currentSegments().getSegmentRangesList()) {
            JsonArray keyRange = new JsonArray();
            keyRange.add(range.getMinKey());
            keyRange.add(range.getMaxKey());
            JsonObject segment = new JsonObject();
            segment.addProperty("segment", segmentName(range.getSegmentId().getSegmentId()));
            segment.addProperty("id", range.getSegmentId().getSegmentId());
            segment.add("keyRange", keyRange);
            segments.add(segment);
        }
        info.add("segments", segments);
        try (StreamManager manager = StreamManager.create(config)) {
            StreamInfo about = manager.fetchStreamInfo(scope, stream).join();
            info.add("head", offsets(about.getHeadStreamCut()));
            info.add("tail", offsets(about.getTailStreamCut()));
            info.addProperty("sealed", about.isSealed());
        }
        out.println(info);
    }

    /** By gRPC, since the client's own classes do not expose key ranges. */
    private SegmentRanges currentSegments() {
        URI controller = config.getControllerURI();
        ManagedChannel channel = ManagedChannelBuilder.forAddress(controller.getHost(), controller.getPort())
                .usePlaintext()
                .build();
        try {
            return ControllerServiceGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(30, TimeUnit.SECONDS)
                    .getCurrentSegments(io.pravega.controller.stream.api.grpc.v1.Controller.StreamInfo.newBuilder()
                            .setScope(scope)
                            .setStream(stream)
                            .build());
        } finally {
            channel.shutdownNow();
        }
    }

    private static JsonObject offsets(StreamCut cut) {
        JsonObject offsets = new JsonObject();
        cut.asImpl().getPositions().forEach((segment, offset) -> offsets.addProperty(shortName(segment), offset));
        return offsets;
    }

    private void write() throws Exception {
        List<CompletableFuture<Void>> acknowledgements = new ArrayList<>();
        try (EventStreamClientFactory factory = EventStreamClientFactory.withScope(scope, config);
                EventStreamWriter<ByteBuffer> writer = writer(factory, false)) {
            BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            long unflushedBytes = 0;
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                JsonObject event = JsonParser.parseString(line).getAsJsonObject();
                byte[] payload = payload(event);
                if (payload.length > Serializer.MAX_EVENT_SIZE) {
                    writer.flush();
                    writeLarge(event.get("key"), payload);
                    acknowledgements.add(CompletableFuture.completedFuture(null));
                    continue;
                }
                acknowledgements.add(writeEvent(writer, event.get("key"), ByteBuffer.wrap(payload)));
                unflushedBytes += payload.length;
                if (unflushedBytes >= FLUSH_EVERY_BYTES) {
                    writer.flush();
                    unflushedBytes = 0;
                }
            }
            writer.flush();
            acknowledgements.forEach(CompletableFuture::join);
        }
        JsonObject written = new JsonObject();
        written.addProperty("written", acknowledgements.size());
        out.println(written);
    }

    private void writeMany(int events, int bytes) throws Exception {
        try (EventStreamClientFactory factory = EventStreamClientFactory.withScope(scope, config);
                EventStreamWriter<ByteBuffer> writer = writer(factory, false)) {
            writeMany(writer, events, bytes);
            double seconds = writeMany(writer, events, bytes);
            JsonObject written = new JsonObject();
            written.addProperty("written", events);
            written.addProperty("seconds", seconds);
            out.println(written);
        }
    }

    private static double writeMany(EventStreamWriter<ByteBuffer> writer, int events, int bytes) {
        long begin = System.nanoTime();
        CompletableFuture<Void> last = CompletableFuture.completedFuture(null);
        for (int i = 0; i < events; i++) {
            last = writer.writeEvent(Integer.toString(i % 1000), ByteBuffer.wrap(new byte[bytes]));
        }
        writer.flush();
        last.join();
        return (System.nanoTime() - begin) / 1e9;
    }

    private EventStreamWriter<ByteBuffer> writer(EventStreamClientFactory factory, boolean largeEvents) {
        EventWriterConfig config = EventWriterConfig.builder().enableLargeEvents(largeEvents).build();
        return factory.createEventWriter(stream, new ByteBufferSerializer(), config);
    }

    /**
     * Pravega may cover two appends of a large event by one acknowledgement, and the client's writer then waits for
     * the other one forever. Nothing of the event is in the stream by then, so another writer may start over.
     */
    private void writeLarge(JsonElement key, byte[] payload) throws Exception {
        for (int attempt = 1; ; attempt++) {
            CompletableFuture<Void> written = new CompletableFuture<>();
            Thread thread = new Thread(() -> {
                try (EventStreamClientFactory factory = EventStreamClientFactory.withScope(scope, config);
                        EventStreamWriter<ByteBuffer> writer = writer(factory, true)) {
                    writeEvent(writer, key, ByteBuffer.wrap(payload)).join();
                    written.complete(null);
                } catch (RuntimeException failure) {
                    written.completeExceptionally(failure);
                }
            });
            thread.setDaemon(true);
            thread.start();
            try {
                written.get(LARGE_EVENT_SECONDS, TimeUnit.SECONDS);
                return;
            } catch (TimeoutException stuck) {
                require(attempt < LARGE_EVENT_ATTEMPTS, "a large event was never acknowledged");
            }
        }
    }

    private static byte[] payload(JsonObject event) {
        if (event.has("base64")) {
            return Base64.getDecoder().decode(event.get("base64").getAsString());
        }
        byte[] payload = new byte[event.get("random").getAsInt()];
        new Random(event.get("seed").getAsLong()).nextBytes(payload);
        return payload;
    }

    private static CompletableFuture<Void> writeEvent(
            EventStreamWriter<ByteBuffer> writer, JsonElement key, ByteBuffer payload) {
        return key == null || key.isJsonNull()
                ? writer.writeEvent(payload)
                : writer.writeEvent(key.getAsString(), payload);
    }

    private void read(long count) throws Exception {
        String group = "foreign" + UUID.randomUUID().toString().replace("-", "");
        // A reader gets from a scaled segment to its successors only at a checkpoint.
        ReaderGroupConfig groupConfig = ReaderGroupConfig.builder()
                .stream(Stream.of(scope, stream))
                .automaticCheckpointIntervalMillis(1000)
                .groupRefreshTimeMillis(1000)
                .build();
        try (ReaderGroupManager groups = ReaderGroupManager.withScope(scope, config)) {
            groups.createReaderGroup(group, groupConfig);
            try (EventStreamClientFactory factory = EventStreamClientFactory.withScope(scope, config);
                    EventStreamReader<ByteBuffer> reader = factory.createReader(
                            "reader", group, new ByteBufferSerializer(), ReaderConfig.builder().build())) {
                readEvents(reader, count);
            } finally {
                groups.deleteReaderGroup(group);
            }
        }
    }

    private void stay(String group, String id) throws IOException {
        ReaderGroupConfig groupConfig =
                ReaderGroupConfig.builder().stream(Stream.of(scope, stream)).build();
        try (ReaderGroupManager groups = ReaderGroupManager.withScope(scope, config);
                EventStreamClientFactory factory = EventStreamClientFactory.withScope(scope, config)) {
            groups.createReaderGroup(group, groupConfig);
            try (EventStreamReader<ByteBuffer> reader = factory.createReader(
                    id, group, new ByteBufferSerializer(), ReaderConfig.builder().build())) {
                reader.readNextEvent(0);
                JsonObject opened = new JsonObject();
                opened.addProperty("open", id);
                out.println(opened);
                out.flush();
                System.in.transferTo(System.err);
            }
        }
    }

    private void readEvents(EventStreamReader<ByteBuffer> reader, long count) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(READ_SECONDS);
        long events = 0;
        while (events < count) {
            EventRead<ByteBuffer> read = nextEvent(reader, deadline);
            if (read == null) {
                break;
            }
            // Only the text of an event pointer is public: scope/stream/0.#epoch.0:OFFSET-LENGTH
            String pointer = read.getEventPointer().toString();
            int colon = pointer.lastIndexOf(':');
            long offset = Long.parseLong(pointer.substring(colon + 1, pointer.indexOf('-', colon)));
            printEvent(shortName(Segment.fromScopedName(pointer.substring(0, colon))), offset, read.getEvent());
            events++;
        }
        long oneMore = System.nanoTime() + TimeUnit.SECONDS.toNanos(ONE_MORE_SECONDS);
        boolean complete = events == count;
        printSummary(events, complete && nextEvent(reader, oneMore) != null);
        require(complete, "only " + events + " of " + count + " events came");
    }

    /** Null after the deadline, and at the end of a sealed stream. */
    private static EventRead<ByteBuffer> nextEvent(EventStreamReader<ByteBuffer> reader, long deadline) {
        for (long left = deadline - System.nanoTime(); left > 0; left = deadline - System.nanoTime()) {
            try {
                EventRead<ByteBuffer> read =
                        reader.readNextEvent(Math.min(1000, TimeUnit.NANOSECONDS.toMillis(left) + 1));
                if (read.getEvent() != null) {
                    return read;
                }
                if (read.isReadCompleted()) {
                    return null;
                }
            } catch (TruncatedDataException gone) {
                // Thrown once; the next read continues at the new head.
            }
        }
        return null;
    }

    private void batch() throws Exception {
        long events = 0;
        try (BatchClientFactory factory = BatchClientFactory.withScope(scope, config)) {
            Iterator<SegmentRange> ranges = factory.getSegments(
                            Stream.of(scope, stream), StreamCut.UNBOUNDED, StreamCut.UNBOUNDED)
                    .getIterator();
            while (ranges.hasNext()) {
                SegmentRange range = ranges.next();
                try (SegmentIterator<ByteBuffer> segment = factory.readSegment(range, new ByteBufferSerializer())) {
                    for (; segment.hasNext(); events++) {
                        long offset = segment.getOffset();
                        printEvent(segmentName(range.getSegmentId()), offset, segment.next());
                    }
                }
            }
        }
        printSummary(events, false);
    }

    private void tablePut(String key, String value) {
        KeyValueTableConfiguration tableConfig = KeyValueTableConfiguration.builder()
                .partitionCount(1)
                .primaryKeyLength(utf8(key).remaining())
                .secondaryKeyLength(0)
                .build();
        try (StreamManager scopes = StreamManager.create(config);
                KeyValueTableManager tables = KeyValueTableManager.create(config)) {
            scopes.createScope(scope);
            tables.createKeyValueTable(scope, stream, tableConfig);
        }
        try (KeyValueTableFactory factory = KeyValueTableFactory.withScope(scope, config);
                KeyValueTable table = openTable(factory)) {
            table.update(new Put(new TableKey(utf8(key)), utf8(value))).join();
        }
    }

    private void tableGet(String key) {
        try (KeyValueTableFactory factory = KeyValueTableFactory.withScope(scope, config);
                KeyValueTable table = openTable(factory)) {
            TableEntry entry = table.get(new TableKey(utf8(key))).join();
            JsonObject line = new JsonObject();
            line.addProperty("key", key);
            line.addProperty("value", entry == null ? null : StandardCharsets.UTF_8.decode(entry.getValue()).toString());
            out.println(line);
        }
    }

    private KeyValueTable openTable(KeyValueTableFactory factory) {
        return factory.forKeyValueTable(stream, KeyValueTableClientConfiguration.builder().build());
    }

    private void printEvent(String segment, long offset, ByteBuffer event) throws GeneralSecurityException {
        byte[] payload = new byte[event.remaining()];
        event.get(payload);
        JsonObject line = new JsonObject();
        line.addProperty("segment", segment);
        line.addProperty("offset", offset);
        if (digest) {
            line.addProperty("length", payload.length);
            line.addProperty("sha256", HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(payload)));
        } else {
            line.addProperty("base64", Base64.getEncoder().encodeToString(payload));
        }
        out.println(line);
    }

    private void printSummary(long events, boolean more) {
        JsonObject summary = new JsonObject();
        summary.addProperty("events", events);
        summary.addProperty("more", more);
        out.println(summary);
    }

    private String segmentName(long id) {
        return shortName(new Segment(scope, stream, id));
    }

    /** {@code 0.#epoch.0}, without scope and stream. */
    private static String shortName(Segment segment) {
        String name = segment.getScopedName();
        return name.substring(name.lastIndexOf('/') + 1);
    }

    private static ByteBuffer utf8(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    }

    private static void require(boolean done, String otherwise) {
        if (!done) {
            throw new IllegalStateException(otherwise);
        }
    }
}
