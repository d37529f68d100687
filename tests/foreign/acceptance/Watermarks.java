package acceptance;

import io.pravega.client.stream.EventRead;
import io.pravega.client.stream.EventStreamReader;
import io.pravega.client.stream.EventStreamWriter;
import io.pravega.client.stream.TimeWindow;
import java.util.ArrayList;
import java.util.List;

/** Times that writers note and readers observe. */
final class Watermarks {
    private Watermarks() {}

    static void reachReaders(Trial trial) throws Exception {
        trial.create("stream", 1);
        trial.groups.createReaderGroup("group", Keyed.everything(trial, "stream"));
        try (EventStreamWriter<String> writer = Keyed.writer(trial, "stream");
                EventStreamReader<String> reader = Keyed.reader(trial, "reader", "group")) {
            trial.report("at first", describe(reader.getCurrentTimeWindow(trial.stream("stream"))));
            note(writer, 0, 1_000_000);
            List<String> events = new ArrayList<>();
            TimeWindow window = reader.getCurrentTimeWindow(trial.stream("stream"));
            while (window.getLowerTimeBound() == null) {
                EventRead<String> read = reader.readNextEvent(200);
                if (read.getEvent() != null) {
                    events.add(read.getEvent());
                }
                window = reader.getCurrentTimeWindow(trial.stream("stream"));
            }
            trial.report("events", events);
            trial.report("then", describe(window));
        }
    }

    private static void note(EventStreamWriter<String> writer, int number, long time) {
        writer.writeEvent("a", "a:" + number).join();
        writer.noteTime(time);
    }

    private static String describe(TimeWindow window) {
        return "%s to %s".formatted(window.getLowerTimeBound(), window.getUpperTimeBound());
    }
}
