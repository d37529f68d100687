"""Scopes and streams from creation to deletion."""

from .events import offsets
from .trial import fixed



def scopes(trial):
    manager, other = trial.manager, trial.scope + ".other"
    trial.check("it is not created twice", not manager.create_scope(trial.scope))
    trial.refused("create a_b", lambda: manager.create_scope("a_b"))
    trial.check("another is created", manager.create_scope(other))
    trial.report("listed", listed(manager, trial.scope))
    trial.create("stream", 1)
    trial.refused("delete one that holds a stream", lambda: manager.delete_scope(trial.scope))
    trial.check("an empty one is deleted", manager.delete_scope(other))
    trial.report("listed then", listed(manager, trial.scope))
    trial.report("delete it again", manager.delete_scope(other))
    trial.report("streams of one that is gone", manager.list_stream(other))
    manager.seal_stream(trial.scope, "stream")
    manager.delete_stream(trial.scope, "stream")
    trial.check("emptied, it is deleted", manager.delete_scope(trial.scope))
    trial.report("listed in the end", listed(manager, trial.scope))


def listed(manager, prefix):
    return sorted(name for name in manager.list_scope() if name.startswith(prefix))


def streams(trial):
    manager, scope = trial.manager, trial.scope
    trial.create("stream", 2)
    trial.check("it is not created twice", not manager.create_stream(scope, "stream", 2))
    trial.refused("create in no scope", lambda: manager.create_stream(scope + "-no", "stream", 1))
    trial.refused("create a_b", lambda: manager.create_stream(scope, "a_b", 1))
    trial.report("listed", sorted(manager.list_stream(scope)))
    trial.refused("delete one that is not sealed", lambda: manager.delete_stream(scope, "stream"))
    trial.refused("seal one that is missing", lambda: manager.seal_stream(scope, "other"))
    trial.refused("update one that is missing", lambda: manager.update_stream_with_policy(scope, "other", fixed(1)))
    trial.check("it is sealed", manager.seal_stream(scope, "stream"))
    trial.check("it is sealed again", manager.seal_stream(scope, "stream"))
    trial.report("update what is sealed", manager.update_stream_with_policy(scope, "stream", fixed(3)))
    trial.check("it is deleted", manager.delete_stream(scope, "stream"))
    trial.check("it is not deleted twice", not manager.delete_stream(scope, "stream"))
    trial.report("listed then", sorted(manager.list_stream(scope)))
    trial.create("stream", 2)
    cut = trial.group("group", "stream").get_streamcut()
    trial.report("recreated", offsets(cut))


def tags(trial):
    from pravega_client import StreamRetentionPolicy

    manager, scope = trial.manager, trial.scope
    by_size = StreamRetentionPolicy.by_size(1 << 30)
    trial.check("created", manager.create_stream_with_policy(scope, "stream", fixed(1), by_size, ["red", "blue"]))
    trial.report("tags", sorted(manager.get_stream_tags(scope, "stream")))
    trial.check("updated", manager.update_stream_with_policy(scope, "stream", fixed(1), by_size, ["green"]))
    trial.report("tags then", sorted(manager.get_stream_tags(scope, "stream")))
    trial.check("updated to none", manager.update_stream_with_policy(scope, "stream", fixed(1), by_size))
    trial.report("tags in the end", manager.get_stream_tags(scope, "stream"))
    trial.refused("tags of what is missing", lambda: manager.get_stream_tags(scope, "other"))
