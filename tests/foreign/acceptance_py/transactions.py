"""Events that appear together or not at all."""

import asyncio

from .events import KEYS, key, numbered, read, same



def transactions(trial):
    trial.create("stream", 2)
    writer = trial.manager.create_transaction_writer(trial.scope, "stream", 1)
    reader = trial.group("group", "stream").create_reader("reader")
    round = 5 * len(KEYS)
    committed = begin(writer, numbered(KEYS, 5, 5))
    aborted = begin(writer, numbered(KEYS, 90, 5))
    trial.check("open", committed.is_open())
    trial.check("open, by its id", writer.get_txn(committed.get_txn_id()).is_open())
    trial.write("stream", numbered(KEYS, 0, 5))
    aborted.abort()
    trial.check("aborted", not aborted.is_open())
    trial.check("nothing is read before the commit", same(asyncio.run(read(reader, round)), numbered(KEYS, 0, 5)))
    committed.commit()
    trial.check("committed", not committed.is_open())
    trial.check("what is committed is read", same(asyncio.run(read(reader, round)), numbered(KEYS, 5, 5)))
    begin(writer, numbered(KEYS, 10, 5)).commit_timestamp(1_000_000)
    trial.check("what is committed later too", same(asyncio.run(read(reader, round)), numbered(KEYS, 10, 5)))
    trial.refused("commit what is aborted", aborted.commit)
    trial.refused("write to what is committed", lambda: committed.write_event("a:0", routing_key="a"))
    trial.refused("commit it again", committed.commit)
    open_at_the_end = begin(writer, numbered(KEYS, 90, 5))
    trial.check("the stream is sealed", trial.manager.seal_stream(trial.scope, "stream"))
    # A commit would now wait forever.
    trial.check("what was open is no more", not open_at_the_end.is_open())


def begin(writer, events):
    transaction = writer.begin_txn()
    for event in events:
        transaction.write_event(event, routing_key=key(event))
    return transaction
