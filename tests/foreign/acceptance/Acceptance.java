package acceptance;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.LoggerFactory;

/**
 * What applications do with Pravega, through its own Java client: a line of JSON per scenario, which is the same text
 * on every server that is a Pravega. Exit status 1 and the cause on stderr if a scenario did not find what it must.
 */
public final class Acceptance {
    private static final String USAGE = "usage: Acceptance CONTROLLER SCOPE-PREFIX [SCENARIO…]";
    private static final long SCENARIO_SECONDS = 90;
    /** Scenarios spend most of their time waiting. */
    private static final int AT_A_TIME = 4;

    private static final Map<String, Scenario> SCENARIOS = scenarios();

    private Acceptance() {}

    private static Map<String, Scenario> scenarios() {
        Map<String, Scenario> all = new LinkedHashMap<>();
        // Those that take longest come first.
        all.put("scaling", Scaling::whileWritingAndReading);
        all.put("transaction-lease", Transactions::lease);
        all.put("watermarks", Watermarks::reachReaders);
        all.put("truncation", Truncation::truncate);
        all.put("scopes", Scopes::live);
        all.put("streams", Streams::live);
        all.put("sealed-streams", Streams::seal);
        all.put("tags", Streams::tags);
        all.put("keyed-events", KeyedEvents::writeAndRead);
        all.put("event-sizes", KeyedEvents::sizes);
        all.put("large-events", LargeEvents::writeAndRead);
        all.put("two-readers", ReaderGroups::twoReaders);
        all.put("reader-removal", ReaderGroups::removal);
        all.put("checkpoint", ReaderGroups::checkpoint);
        all.put("reader-group-life", ReaderGroups::life);
        all.put("stream-cuts", ReaderGroups::betweenCuts);
        all.put("batch-reads", BatchReads::segments);
        all.put("byte-streams", ByteStreams::writeAndRead);
        all.put("revisioned-streams", Revisions::revisionedStream);
        all.put("synchronized-state", Revisions::synchronizedState);
        all.put("transactions", Transactions::commitAndAbort);
        all.put("transactions-and-seal", Transactions::seal);
        all.put("transactions-and-scale", Transactions::scale);
        all.put("scale-refusals", Scaling::refusals);
        all.put("tables", Tables::entries);
        all.put("table-iterators", Tables::iterators);
        all.put("table-life", Tables::life);
        return all;
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = System.out;
        // Library output must not mix with the lines.
        System.setOut(System.err);
        silenceLogging();
        if (args.length < 2) {
            throw new IllegalArgumentException(USAGE);
        }
        List<String> names = List.of(args).subList(2, args.length);
        boolean passed = run(out, args[0], args[1], names.isEmpty() ? List.copyOf(SCENARIOS.keySet()) : names);
        out.flush();
        // Some of the client's threads are not daemons.
        System.exit(passed ? 0 : 1);
    }

    /** Before anything logs: the configuration in Pravega's own jars writes to stdout and creates a folder for files. */
    private static void silenceLogging() throws IOException {
        Path silence = Files.createTempFile("logback", ".xml");
        Files.writeString(silence, "<configuration><root level=\"OFF\"/></configuration>");
        System.setProperty("logback.configurationFile", silence.toString());
        LoggerFactory.getILoggerFactory();
        Files.delete(silence);
    }

    private static boolean run(PrintStream out, String controller, String prefix, List<String> names) throws Exception {
        ExecutorService executor = Executors.newFixedThreadPool(AT_A_TIME);
        List<Running> all = new ArrayList<>();
        for (String name : names) {
            Trial trial = new Trial(controller, prefix + "-" + name);
            all.add(new Running(name, trial, executor.submit(() -> time(name, () -> trial.run(SCENARIOS.get(name))))));
        }
        boolean passed = true;
        for (Running running : all) {
            passed &= running.finish();
            out.println(running.line());
        }
        return passed;
    }

    private interface Timed {
        void run() throws Exception;
    }

    private static Void time(String name, Timed scenario) throws Exception {
        long start = System.nanoTime();
        try {
            scenario.run();
        } finally {
            System.err.printf("%s: %.1f s%n", name, (System.nanoTime() - start) / 1e9);
        }
        return null;
    }

    private record Running(String name, Trial trial, Future<Void> ended) {
        /** False if it failed, or does not end. */
        boolean finish() throws InterruptedException {
            try {
                ended.get(trial.secondsLeft(SCENARIO_SECONDS), TimeUnit.SECONDS);
                return true;
            } catch (ExecutionException failure) {
                trial.failed(failure.getCause());
            } catch (TimeoutException late) {
                System.err.println(name + " does not end");
                dumpThreads();
                trial.failed(late);
                // Others may be waiting for its thread.
                ended.cancel(true);
            }
            return false;
        }

        String line() {
            JsonObject line = new JsonObject();
            line.addProperty("scenario", name);
            line.add("results", trial.results());
            return line.toString().replace(trial.scope, "SCOPE");
        }
    }

    private static void dumpThreads() {
        Thread.getAllStackTraces().forEach((thread, frames) -> {
            System.err.println(thread);
            for (StackTraceElement frame : frames) {
                System.err.println("    at " + frame);
            }
        });
    }
}
