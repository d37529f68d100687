package acceptance;

import io.pravega.client.control.impl.Controller;
import io.pravega.client.control.impl.ControllerImpl;
import io.pravega.client.control.impl.ControllerImplConfig;
import io.pravega.client.stream.impl.StreamSegments;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** Calls of the controller for which the client's public classes have no method. */
final class Control implements AutoCloseable {
    private static final long SECONDS = 60;

    private final Trial trial;
    // Scaling polls on the executor and blocks one of its threads.
    private final ScheduledExecutorService executor = Executors.newScheduledThreadPool(2);
    final Controller controller;

    Control(Trial trial) {
        this.trial = trial;
        ControllerImplConfig config = ControllerImplConfig.builder().clientConfig(trial.config).build();
        this.controller = new ControllerImpl(config, executor);
    }

    /** Replaces all segments of a stream by this many equal ones; false if that is not possible. */
    boolean scale(String stream, int segments) throws Exception {
        List<Long> sealed = current(stream).getSegments().stream().map(segment -> segment.getSegmentId()).toList();
        Map<Double, Double> ranges = new TreeMap<>();
        for (int i = 0; i < segments; i++) {
            ranges.put((double) i / segments, (double) (i + 1) / segments);
        }
        return scale(stream, sealed, ranges);
    }

    boolean scale(String stream, List<Long> sealed, Map<Double, Double> ranges) throws Exception {
        return controller
                .scaleStream(trial.stream(stream), sealed, ranges, executor)
                .getFuture()
                .get(SECONDS, TimeUnit.SECONDS);
    }

    /** Segments that can be written to. */
    List<String> segments(String stream) throws Exception {
        return current(stream).getSegments().stream()
                .map(segment -> Trial.segmentName(segment.getScopedName()))
                .sorted()
                .toList();
    }

    private StreamSegments current(String stream) throws Exception {
        return controller.getCurrentSegments(trial.scope, stream).get(SECONDS, TimeUnit.SECONDS);
    }

    @Override
    public void close() {
        controller.close();
        executor.shutdown();
    }
}
