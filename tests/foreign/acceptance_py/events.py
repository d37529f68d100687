"""Events that contain their key and their number for that key, key:7; how they are written and read."""

import asyncio

# Written but not yet acknowledged.
IN_FLIGHT = 100
KEYS = ["a", "b", "hello", "key-1", "user42", "é", "日本語", "😀"]



def numbered(keys, start, count):
    return [f"{key}:{number}" for number in range(start, start + count) for key in keys]


def key(event):
    return event.rpartition(":")[0]


def by_key(events):
    keys = {}
    for event in events:
        keys.setdefault(key(event), []).append(event)
    return keys


def same(events, written):
    """Each event once, in order for each key."""
    return by_key(events) == by_key(written)


def write(writer, events):
    for event in events:
        writer.write_event(event, routing_key=key(event))
    writer.flush()


async def read(reader, count):
    """At least this many events, and what follows until the reader finds nothing for about a second."""
    events = []
    while True:
        turn = await take_turn(reader)
        events += turn
        if len(events) >= count and not turn:
            return events


async def take_turn(reader):
    """The next events of a reader; nothing after about a second without events."""
    slice = await next_slice(reader)
    events = [text(event) for event in slice]
    reader.release_segment(slice)
    return events


async def next_slice(reader):
    """
    Every other call of the client blocks the whole interpreter while native threads work for it, and those need the
    interpreter to hand over a slice. So there is never such a call while a slice is awaited, and a pause after it.
    """
    slice = await reader.get_segment_slice_async()
    await asyncio.sleep(0.005)
    return slice


def text(event):
    return bytes(event.data()).decode()


def read_by(name, group, count):
    """Through a reader that is offline afterwards."""
    reader = group.create_reader(name)
    events = asyncio.run(read(reader, count))
    reader.reader_offline()
    return events


def offsets(cut):
    return dict(sorted(cut.get_segment_offset_map().items()))
