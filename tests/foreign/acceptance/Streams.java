package acceptance;

import com.google.common.collect.ImmutableList;
import io.pravega.client.admin.StreamInfo;
import io.pravega.client.stream.EventStreamWriter;
import io.pravega.client.stream.RetentionPolicy;
import io.pravega.client.stream.ScalingPolicy;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamConfiguration;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/** Streams from creation to deletion. */
final class Streams {
    private Streams() {}

    static void live(Trial trial) throws Exception {
        var streams = trial.streams;
        trial.create("stream", 2);
        trial.check("it is not created twice", !streams.createStream(trial.scope, "stream", Trial.fixed(2)));
        trial.check("it exists", streams.checkStreamExists(trial.scope, "stream"));
        trial.check("another does not", !streams.checkStreamExists(trial.scope, "other"));
        trial.refused("create in no scope", () -> streams.createStream(trial.scope + "-no", "stream", Trial.fixed(1)));
        trial.refused("create a_b", () -> streams.createStream(trial.scope, "a_b", Trial.fixed(1)));
        trial.report("new", info(trial));
        trial.report("listed", names(streams.listStreams(trial.scope)));
        Keyed.write(trial, "stream", Keyed.numbered(Keyed.KEYS, 0, 3));
        trial.report("written", info(trial));
        trial.check("it is updated", streams.updateStream(trial.scope, "stream", byRate()));
        trial.report("updated", info(trial));
        trial.refused("update one that is missing", () -> streams.updateStream(trial.scope, "other", byRate()));
        trial.refused("look at one that is missing", () -> streams.fetchStreamInfo(trial.scope, "other").join());
        trial.refused("seal one that is missing", () -> streams.sealStream(trial.scope, "other"));
    }

    static void seal(Trial trial) throws Exception {
        var streams = trial.streams;
        trial.create("stream", 2);
        trial.refused("delete one that is not sealed", () -> streams.deleteStream(trial.scope, "stream"));
        try (EventStreamWriter<String> writer = Keyed.writer(trial, "stream")) {
            writer.writeEvent("a", "a:0").join();
            trial.check("it is sealed", streams.sealStream(trial.scope, "stream"));
            trial.check("it is sealed again", streams.sealStream(trial.scope, "stream"));
            trial.refused("write what comes too late", () -> writer.writeEvent("a", "a:1").get());
        }
        trial.report("sealed", info(trial));
        trial.refused("update it", () -> streams.updateStream(trial.scope, "stream", byRate()));
        trial.refused("truncate it", () -> streams.truncateStream(trial.scope, "stream", trial.tail("stream")));
        List<String> read = Keyed.read(trial, "group", Keyed.everything(trial, "stream"), 1);
        trial.check("what it holds is read", read.equals(List.of("a:0")));
        trial.check("it is deleted", streams.deleteStream(trial.scope, "stream"));
        trial.check("it is not deleted twice", !streams.deleteStream(trial.scope, "stream"));
        trial.check("it is gone", !streams.checkStreamExists(trial.scope, "stream"));
        trial.create("stream", 2);
        trial.report("recreated", info(trial));
    }

    static void tags(Trial trial) {
        var streams = trial.streams;
        streams.createStream(trial.scope, "one", tagged("red", "blue"));
        streams.createStream(trial.scope, "two", tagged("red"));
        streams.createStream(trial.scope, "three", Trial.fixed(1));
        trial.report("of one", new TreeSet<>(streams.getStreamTags(trial.scope, "one")));
        trial.report("of three", new TreeSet<>(streams.getStreamTags(trial.scope, "three")));
        trial.report("red", names(streams.listStreams(trial.scope, "red")));
        trial.report("blue", names(streams.listStreams(trial.scope, "blue")));
        trial.report("green", names(streams.listStreams(trial.scope, "green")));
        trial.check("one is updated", streams.updateStream(trial.scope, "one", tagged("green")));
        trial.check("two is updated", streams.updateStream(trial.scope, "two", tagged()));
        trial.report("of one then", new TreeSet<>(streams.getStreamTags(trial.scope, "one")));
        trial.report("of two then", new TreeSet<>(streams.getStreamTags(trial.scope, "two")));
        trial.report("red then", names(streams.listStreams(trial.scope, "red")));
        trial.report("green then", names(streams.listStreams(trial.scope, "green")));
        streams.sealStream(trial.scope, "one");
        streams.deleteStream(trial.scope, "one");
        trial.report("green in the end", names(streams.listStreams(trial.scope, "green")));
        trial.refused("of one that is gone", () -> streams.getStreamTags(trial.scope, "one"));
    }

    private static StreamConfiguration tagged(String... tags) {
        return StreamConfiguration.builder()
                .scalingPolicy(ScalingPolicy.fixed(1))
                .tags(List.of(tags))
                .build();
    }

    private static StreamConfiguration byRate() {
        return StreamConfiguration.builder()
                .scalingPolicy(ScalingPolicy.byEventRate(1000, 2, 2))
                .retentionPolicy(RetentionPolicy.bySizeBytes(1 << 30))
                .tag("tag")
                .build();
    }

    private static Map<String, Object> info(Trial trial) {
        StreamInfo info = trial.streams.fetchStreamInfo(trial.scope, "stream").join();
        Map<String, Object> answers = new TreeMap<>();
        answers.put("scaling", info.getStreamConfiguration().getScalingPolicy().toString());
        answers.put("retention", String.valueOf(info.getStreamConfiguration().getRetentionPolicy()));
        answers.put("tags", new TreeSet<>(info.getStreamConfiguration().getTags()));
        answers.put("head", Trial.offsets(info.getHeadStreamCut()));
        answers.put("tail", Trial.offsets(info.getTailStreamCut()));
        answers.put("sealed", info.isSealed());
        return answers;
    }

    private static List<String> names(Iterator<Stream> streams) {
        return ImmutableList.copyOf(streams).stream().map(Stream::getStreamName).sorted().toList();
    }
}
