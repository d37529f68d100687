"""Events written, and read by groups of readers."""

import asyncio
import random

from .events import IN_FLIGHT, KEYS, next_slice, numbered, offsets, read_by, same, take_turn, text, write



def keyed_events(trial):
    trial.create("stream", 4)
    written = numbered(KEYS, 0, 100)
    trial.write("stream", written)
    events = read_by("reader", trial.group("group", "stream"), len(written))
    trial.check("each is read once, in order per key", same(events, written))
    tail = trial.group("tail", "stream", read_from_tail=True)
    # é, 日本語 and 😀 lie elsewhere than Java would put them.
    trial.report("tail", offsets(tail.get_streamcut()))
    later = numbered(KEYS, 100, 5)
    trial.write("stream", later)
    trial.check("from the tail on", same(read_by("reader", tail, len(later)), later))
    without_keys(trial)


def without_keys(trial):
    trial.create("unkeyed", 3)
    written = [f"none:{number}" for number in range(100)]
    writer = trial.manager.create_writer(trial.scope, "unkeyed", IN_FLIGHT)
    for event in written:
        writer.write_event(event)
    writer.flush()
    events = read_by("reader", trial.group("unkeyed", "unkeyed"), len(written))
    trial.check("each without a key is read once", sorted(events) == sorted(written))


def event_sizes(trial):
    # An empty event stops its readers for good.
    sizes = [1, 7, 8, 1000, 65_535, 1 << 20, (1 << 20) + 1, 8 << 20, 3]
    trial.create("stream", 1)
    writer = trial.manager.create_writer(trial.scope, "stream")
    written = [random.Random(size).randbytes(size) for size in sizes]
    for payload in written:
        writer.write_event_bytes(payload, routing_key="key")
    writer.flush()

    events = asyncio.run(read_payloads(trial.group("group", "stream").create_reader("reader"), len(written)))
    trial.report("sizes", [len(payload) for payload in events])
    trial.check("they are what was written", events == written)


async def read_payloads(reader, count):
    payloads = []
    while len(payloads) < count:
        slice = await next_slice(reader)
        payloads += [bytes(event.data()) for event in slice]
        reader.release_segment(slice)
    return payloads


def sealed_streams(trial):
    trial.create("stream", 2)
    writer = trial.manager.create_writer(trial.scope, "stream")
    writer.write_event("a:0", routing_key="a")
    writer.flush()
    trial.check("sealed", trial.manager.seal_stream(trial.scope, "stream"))
    trial.refused("write what comes too late", lambda: write_late(writer))
    events = read_by("reader", trial.group("group", "stream"), 1)
    trial.report("what it holds", events)


def write_late(writer):
    writer.write_event("a:1", routing_key="a")
    writer.flush()


def two_readers(trial):
    """The first takes all segments, until after ten seconds or so it leaves some to the second."""
    trial.create("stream", 4)
    group = trial.group("group", "stream")
    readers = [group.create_reader("one"), group.create_reader("two")]
    writer = trial.manager.create_writer(trial.scope, "stream", IN_FLIGHT)
    written, shares = [], [[], []]
    while not all(shares):
        written += numbered(KEYS, len(written) // len(KEYS), 5)
        write(writer, written[-5 * len(KEYS) :])
        asyncio.run(take_turns(readers, shares, len(written)))
    one, two = shares
    trial.check("each is read by one of them, in order per key", same(one + two, written))
    for reader in readers:
        reader.reader_offline()
    read = sum(offsets(group.get_streamcut()).values())
    trial.check("the cut is then the tail", read == sum(8 + len(event.encode()) for event in written))


async def take_turns(readers, shares, count):
    while sum(map(len, shares)) < count:
        for reader, share in zip(readers, shares):
            share += await take_turn(reader)


def reader_removal(trial):
    """Readers that leave, or are removed by others, give back what they have not read."""
    trial.create("stream", 1)
    written = numbered(KEYS, 0, 5)
    trial.write("stream", written)
    group = trial.group("group", "stream")
    first = group.create_reader("first")
    trial.check("the first reads", asyncio.run(read_ten(first)) == written[:10])
    first.reader_offline()
    trial.report("cut when it is gone", offsets(group.get_streamcut()))
    second = group.create_reader("second")
    trial.check("the second reads on", asyncio.run(read_ten(second)) == written[10:20])
    group.reader_offline("second")
    # It may not have reported yet how far it got.
    rest = read_by("third", group, 20)
    trial.check("the third reads the rest", rest[-20:] == written[20:] and rest == written[-len(rest) :])


async def read_ten(reader):
    """And gives the others back."""
    slice = await next_slice(reader)
    events = [text(next(slice)) for _ in range(10)]
    reader.release_segment(slice)
    return events


def stream_cuts(trial):
    trial.create("stream", 3)
    trial.write("stream", numbered(KEYS, 0, 5))
    first = trial.group("first", "stream")
    read_by("reader", first, 5 * len(KEYS))
    cut = first.get_streamcut()
    trial.report("cut", offsets(cut))
    later = numbered(KEYS, 5, 5)
    trial.write("stream", later)
    second = trial.group("second", "stream", stream_cut=cut)
    trial.check("another group starts there", same(read_by("reader", second, len(later)), later))
    trial.check("the first goes on", same(read_by("reader", first, len(later)), later))
    trial.report("group deleted", trial.manager.delete_reader_group("first", trial.scope))
