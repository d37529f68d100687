import io.pravega.client.segment.impl.Segment;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamCut;
import io.pravega.client.stream.impl.StreamCutImpl;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;

/** Prints stream cuts and their texts, as Pravega's own class makes them: StreamCutVectors SEED COUNT. */
public class StreamCutVectors {
    public static void main(String[] arguments) {
        Random random = new Random(Long.parseLong(arguments[0]));
        int count = Integer.parseInt(arguments[1]);
        String[][] streams = {{"sc", "st"}, {"a.b-c", "x"}, {"scope", "a.long-name.of-a-stream0123456789"}};
        for (int index = 0; index < count; index++) {
            String[] names = streams[index % streams.length];
            int segments = index < 2 ? index + 1 : index == count - 1 ? 1000 : 1 + random.nextInt(20);
            Map<Segment, Long> positions = new LinkedHashMap<>();
            while (positions.size() < segments) {
                long id = ((long) random.nextInt(random.nextBoolean() ? 4 : 1 << 20) << 32) + random.nextInt(1 << 16);
                long offset = random.nextInt(4) == 0 ? -1 : random.nextLong() >>> (1 + random.nextInt(60));
                positions.put(new Segment(names[0], names[1], id), offset);
            }
            StreamCut cut = new StreamCutImpl(Stream.of(names[0], names[1]), positions);
            String offsets = positions.entrySet().stream()
                .map(entry -> "\"" + entry.getKey().getSegmentId() + "\": " + entry.getValue())
                .collect(Collectors.joining(", "));
            System.out.println("{\"stream\": \"" + names[0] + "/" + names[1] + "\", \"offsets\": {" + offsets
                + "}, \"text\": \"" + cut.asText() + "\"}");
        }
    }
}
