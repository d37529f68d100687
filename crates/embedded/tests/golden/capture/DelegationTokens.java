import io.pravega.client.ClientConfig;
import io.pravega.client.control.impl.ControllerImpl;
import io.pravega.client.control.impl.ControllerImplConfig;
import io.pravega.client.stream.ScalingPolicy;
import io.pravega.client.stream.StreamConfiguration;
import io.pravega.shared.security.auth.AccessOperation;
import io.pravega.shared.security.auth.DefaultCredentials;
import io.pravega.shared.security.token.JsonWebToken;
import java.net.URI;
import java.util.Map;
import java.util.concurrent.Executors;

/**
 * Prints delegation tokens as JSON lines: those of a running controller with auth on, then some of Pravega's own class.
 * Arguments: the controller as host:port, user, password.
 */
public class DelegationTokens {
    public static void main(String[] args) throws Exception {
        var executor = Executors.newScheduledThreadPool(1);
        var client = ClientConfig.builder().controllerURI(URI.create("tcp://" + args[0]))
                .credentials(new DefaultCredentials(args[2], args[1])).build();
        try (var controller = new ControllerImpl(ControllerImplConfig.builder().clientConfig(client).build(), executor)) {
            controller.createScope("golden").join();
            var one = StreamConfiguration.builder().scalingPolicy(ScalingPolicy.fixed(1)).build();
            controller.createStream("golden", "tokens", one).join();
            for (var operation : new AccessOperation[] {AccessOperation.READ, AccessOperation.READ_WRITE}) {
                for (var stream : new String[] {"tokens", "_MARKtokens"}) {
                    var token = controller.getOrRefreshDelegationTokenFor("golden", stream, operation).join();
                    line("controller " + operation, "prn::/scope:golden/stream:" + stream, token);
                }
            }
        }
        executor.shutdown();
        own("never expires", Map.of("*", "READ_UPDATE"), -1, "secret");
        own("expired", Map.of("*", "READ_UPDATE"), 0, "secret");
        own("another key", Map.of("*", "READ_UPDATE"), -1, "another");
        own("a scope and a stream", Map.of("prn::/scope:abc", "READ", "prn::/scope:abc/stream:d", "READ_UPDATE"), -1, "secret");
    }

    private static void own(String what, Map<String, Object> claims, int life, String key) {
        line(what, String.join(" ", claims.keySet()), new JsonWebToken("segmentstoreresource", "segmentstore", key.getBytes(), claims, life).toCompactString());
    }

    private static void line(String what, String resource, String token) {
        System.out.printf("{\"what\": \"%s\", \"resource\": \"%s\", \"token\": \"%s\"}%n", what, resource, token);
    }
}
