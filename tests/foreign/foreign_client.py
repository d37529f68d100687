"""The Python client of Pravega (which is the Rust client underneath), for the tests; same protocol as ForeignClient.java.

    foreign_client.py create CONTROLLER SCOPE STREAM SEGMENTS
    foreign_client.py write CONTROLLER SCOPE STREAM    stdin: {"key":"k" or null,"base64":"..."}
    foreign_client.py read CONTROLLER SCOPE STREAM COUNT [--digest]
"""

import asyncio
import base64
import hashlib
import json
import os
import signal
import sys
import uuid

READ_SECONDS = 60
ONE_MORE_SECONDS = 3
# The reader can spin inside native code where no Python runs any more, so the last word is the kernel's.
HARD_LIMIT_SECONDS = READ_SECONDS + 15


def main(args):
    digest = "--digest" in args
    words = [arg for arg in args if arg != "--digest"]
    commands = {("create", 5): create, ("write", 4): write, ("read", 5): read}
    command = commands.get((words[0] if words else None, len(words)))
    if command is None:
        sys.exit(__doc__)
    out = take_stdout()
    command(connect(words[1]), out, digest, *words[2:])
    out.flush()
    # The native threads have nothing left to do, and one that spins would keep the interpreter from ending.
    os._exit(0)


def take_stdout():
    """Keeps output of the native library out of the protocol's lines."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def connect(controller):
    import pravega_client

    return pravega_client.StreamManager(f"tcp://{controller}", False, False)


def create(manager, out, digest, scope, stream, segments):
    manager.create_scope(scope)
    if not manager.create_stream(scope, stream, int(segments)):
        fail("the stream exists already")


def write(manager, out, digest, scope, stream):
    writer = manager.create_writer(scope, stream)
    written = 0
    for line in sys.stdin:
        event = json.loads(line)
        payload = base64.b64decode(event["base64"], validate=True)
        if event.get("key") is None:
            writer.write_event_bytes(payload)
        else:
            writer.write_event_bytes(payload, routing_key=event["key"])
        written += 1
    writer.flush()
    print_line(out, {"written": written})


def read(manager, out, digest, scope, stream, count):
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(HARD_LIMIT_SECONDS)
    asyncio.run(read_through_group(manager, out, digest, scope, stream, int(count)))


async def read_through_group(manager, out, digest, scope, stream, count):
    group = "foreign" + uuid.uuid4().hex
    reader = manager.create_reader_group(group, scope, stream).create_reader("reader")
    events = Events(reader)
    read_count = 0
    async for event in events.until(READ_SECONDS, count):
        print_line(out, describe(event, digest))
        read_count += 1
    complete = read_count == count
    more = False
    if complete:
        async for _ in events.until(ONE_MORE_SECONDS, 1):
            more = True
    print_line(out, {"events": read_count, "more": more})
    out.flush()
    await events.close()
    manager.delete_reader_group(scope, group)
    if not complete:
        fail(f"only {read_count} of {count} events came")


class Events:
    """The events of a reader one by one; those of a half-read slice are kept."""

    def __init__(self, reader):
        self.reader = reader
        self.slice = None
        self.next_slice = None

    async def until(self, seconds, count):
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while count > 0:
            event = next(self.slice, None) if self.slice else None
            if event is not None:
                count -= 1
                yield event
            elif not await self.has_slice(deadline - loop.time()):
                return

    async def has_slice(self, seconds):
        if seconds <= 0:
            return False
        self.release()
        if self.next_slice is None:
            self.next_slice = asyncio.ensure_future(self.reader.get_segment_slice_async())
        await asyncio.wait([self.next_slice], timeout=seconds)
        if not self.next_slice.done():
            return False
        self.slice = self.next_slice.result()
        self.next_slice = None
        return True

    async def close(self):
        if self.next_slice is not None:
            # Cancelled, it would keep the reader locked for good; at the tail it ends within a second.
            self.slice = await self.next_slice
        self.release()
        self.reader.reader_offline()

    def release(self):
        """Dropping a slice with the beginning of a large event in it is not enough: the reader may wait for it for good."""
        if self.slice is not None:
            self.reader.release_segment(self.slice)
            self.slice = None


def describe(event, digest):
    payload = bytes(event.data())
    line = {"offset": event.offset()}
    if digest:
        return line | {"length": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}
    return line | {"base64": base64.b64encode(payload).decode()}


def print_line(out, value):
    print(json.dumps(value, separators=(",", ":")), file=out, flush=True)


def fail(message):
    print(message, file=sys.stderr, flush=True)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
