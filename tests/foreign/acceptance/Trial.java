package acceptance;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.grpc.StatusRuntimeException;
import io.pravega.client.ClientConfig;
import io.pravega.client.EventStreamClientFactory;
import io.pravega.client.admin.ReaderGroupManager;
import io.pravega.client.admin.StreamManager;
import io.pravega.client.stream.ScalingPolicy;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamConfiguration;
import io.pravega.client.stream.StreamCut;
import java.net.URI;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

/** A running scenario: its own scope, clients of the server, and what it has reported so far. */
final class Trial {
    private static final Gson GSON = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

    final String scope;
    final ClientConfig config;
    StreamManager streams;
    ReaderGroupManager groups;
    EventStreamClientFactory clients;
    private final JsonArray results = new JsonArray();
    private volatile long started;

    Trial(String controller, String scope) {
        this.scope = scope;
        this.config = ClientConfig.builder().controllerURI(URI.create("tcp://" + controller)).build();
    }

    /** Creates the scope and runs the scenario. */
    void run(Scenario scenario) throws Exception {
        started = System.nanoTime();
        try (StreamManager streams = StreamManager.create(config);
                ReaderGroupManager groups = ReaderGroupManager.withScope(scope, config);
                EventStreamClientFactory clients = EventStreamClientFactory.withScope(scope, config)) {
            this.streams = streams;
            this.groups = groups;
            this.clients = clients;
            check("the scope is new", streams.createScope(scope));
            scenario.run(this);
        }
    }

    /** Of the time that a scenario may take; all of it for one that has not begun. */
    long secondsLeft(long seconds) {
        return started == 0 ? seconds : seconds - TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - started);
    }

    Stream stream(String name) {
        return Stream.of(scope, name);
    }

    /** Creates a stream with this many segments. */
    void create(String name, int segments) {
        check(name + " is created", streams.createStream(scope, name, fixed(segments)));
    }

    static StreamConfiguration fixed(int segments) {
        return StreamConfiguration.builder().scalingPolicy(ScalingPolicy.fixed(segments)).build();
    }

    StreamCut head(String name) {
        return streams.fetchStreamInfo(scope, name).join().getHeadStreamCut();
    }

    StreamCut tail(String name) {
        return streams.fetchStreamInfo(scope, name).join().getTailStreamCut();
    }

    /** Offsets by the segments' short names. */
    static Map<String, Long> offsets(StreamCut cut) {
        Map<String, Long> offsets = new TreeMap<>();
        cut.asImpl()
                .getPositions()
                .forEach((segment, offset) -> offsets.put(segmentName(segment.getScopedName()), offset));
        return offsets;
    }

    /** {@code 0.#epoch.0}, without scope and stream. */
    static String segmentName(String scoped) {
        return scoped.substring(scoped.lastIndexOf('/') + 1);
    }

    /** A result that must be the same on every server. */
    synchronized void report(String step, Object value) {
        JsonObject result = new JsonObject();
        result.add(step, GSON.toJsonTree(value));
        results.add(result);
    }

    /** Something that must hold. */
    void check(String claim, boolean holds) {
        report(claim, holds);
        if (!holds) {
            throw new AssertionError("not so: " + claim);
        }
    }

    /** Something that must not be possible, and fails in the same way on every server. */
    void refused(String step, Callable<?> action) {
        Object value;
        try {
            value = action.call();
        } catch (Exception refusal) {
            report(step, describe(refusal));
            return;
        }
        throw new AssertionError("not refused, but " + value + ": " + step);
    }

    /** Class names, from the outermost to the cause. */
    private static String describe(Throwable failure) {
        StringBuilder names = new StringBuilder();
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            boolean wrapper = cause instanceof CompletionException || cause instanceof ExecutionException;
            if (wrapper && cause.getCause() != null) {
                continue;
            }
            names.append(names.isEmpty() ? "" : " < ").append(cause.getClass().getSimpleName());
            if (cause instanceof StatusRuntimeException status) {
                names.append(' ').append(status.getStatus().getCode());
            }
        }
        return names.toString();
    }

    void failed(Throwable failure) {
        System.err.println(scope + ":");
        failure.printStackTrace();
        report("failed", describe(failure));
    }

    synchronized JsonArray results() {
        return results.deepCopy();
    }
}
