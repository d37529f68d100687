"""A stream that scales up and down while it is used."""

import asyncio
import faulthandler
import os
import subprocess
import sys

from foreign_client import connect

from .events import IN_FLIGHT, KEYS, key, numbered, offsets, read, read_by, same
from .trial import fixed

SECONDS = 90


SCALED = numbered(KEYS, 0, 400)


def scaling(trial):
    """An update to another fixed number of segments scales."""
    trial.create("stream", 1)
    reader = trial.group("group", "stream").create_reader("reader")
    command = [sys.executable, sys.argv[0], "--write-and-scale", trial.controller, trial.scope]
    with subprocess.Popen(command) as writing:
        read_meanwhile = asyncio.run(read(reader, len(SCALED)))
    trial.check("written while it was scaled", writing.returncode == 0)
    trial.check("each is read once, in order per key", same(read_meanwhile, SCALED))
    tail = trial.group("tail", "stream", read_from_tail=True).get_streamcut()
    trial.report("segments", sorted(offsets(tail)))
    again = read_by("reader", trial.group("again", "stream"), len(SCALED))
    trial.check("from the beginning too", same(again, SCALED))


def write_and_scale(controller, scope):
    """In a separate process, see `next_slice`."""
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    manager = connect(controller)
    writer = manager.create_writer(scope, "stream", IN_FLIGHT)
    segments = {800: 2, 1600: 4, 2400: 2}
    for number, event in enumerate(SCALED):
        if number in segments:
            # There are events in flight.
            scaled = manager.update_stream_with_policy(scope, "stream", fixed(segments[number]))
            assert scaled, f"not scaled to {segments[number]}"
        writer.write_event(event, routing_key=key(event))
    writer.flush()
    os._exit(0)
