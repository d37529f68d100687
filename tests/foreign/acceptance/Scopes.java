package acceptance;

import com.google.common.collect.ImmutableList;
import java.util.Iterator;
import java.util.List;

/** Scopes, and what may not be done to them. */
final class Scopes {
    private Scopes() {}

    static void live(Trial trial) throws Exception {
        var streams = trial.streams;
        String other = trial.scope + ".other";
        trial.check("it exists", streams.checkScopeExists(trial.scope));
        trial.check("it is not created twice", !streams.createScope(trial.scope));
        trial.check("another does not exist", !streams.checkScopeExists(other));
        trial.check("another is created", streams.createScope(other));
        trial.report("listed", listed(streams.listScopes(), trial.scope));
        trial.refused("create a_b", () -> streams.createScope("a_b"));
        trial.refused("create one without a name", () -> streams.createScope(""));
        trial.create("stream", 1);
        trial.refused("delete one that holds a stream", () -> streams.deleteScope(trial.scope));
        trial.check("an empty one is deleted", streams.deleteScope(other));
        trial.check("it is not deleted twice", !streams.deleteScope(other));
        trial.check("it is gone", !streams.checkScopeExists(other));
        trial.report("listed then", listed(streams.listScopes(), trial.scope));
        trial.refused("list streams of one that is gone", () -> ImmutableList.copyOf(streams.listStreams(other)));
        // Here only: a real controller that does two of these at once deadlocks.
        trial.check("one is deleted with its streams", streams.deleteScopeRecursive(trial.scope));
        trial.check("then it is gone", !streams.checkScopeExists(trial.scope));
        trial.check("and its stream", !streams.checkStreamExists(trial.scope, "stream"));
    }

    private static List<String> listed(Iterator<String> names, String prefix) {
        return ImmutableList.copyOf(names).stream().filter(name -> name.startsWith(prefix)).sorted().toList();
    }
}
