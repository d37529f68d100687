"""A running scenario, and how it reports its results."""

import json
import re

from foreign_client import connect

from .events import IN_FLIGHT, write



class Trial:
    """A running scenario: its own scope, a client of the server, and the results that it reports."""

    def __init__(self, controller, scope, out):
        self.controller = controller
        self.manager = connect(controller)
        self.scope = scope
        self.out = out

    def report(self, step, value):
        """A result that must be the same on every server."""
        print(json.dumps({step: value}, ensure_ascii=False), file=self.out, flush=True)

    def check(self, claim, holds):
        """Something that must hold."""
        self.report(claim, bool(holds))
        if not holds:
            raise AssertionError(f"not so: {claim}")

    def refused(self, step, action):
        """Something that must not be possible, and fails in the same way on every server."""
        try:
            value = action()
        except Exception as refusal:
            self.report(step, describe(refusal))
        else:
            raise AssertionError(f"not refused, but {value!r}: {step}")

    def create(self, stream, segments):
        self.check(f"{stream} is created", self.manager.create_stream(self.scope, stream, segments))

    def write(self, stream, events):
        """Writes events with their keys, pipelined, and waits until they are stored."""
        write(self.manager.create_writer(self.scope, stream, IN_FLIGHT), events)

    def group(self, name, stream, **options):
        return self.manager.create_reader_group(name, self.scope, stream, **options)


def describe(failure):
    """Its class, and of its text only what does not name tables and times."""
    parts = [type(failure).__name__]
    for part in re.findall(r'(?:operation|error_msg): "((?:[^"\\]|\\.)*)', str(failure)):
        status = re.match(r"status: \w+", part)
        parts.append(status.group() if status else part)
    return ", ".join(parts)


def fixed(segments):
    from pravega_client import StreamScalingPolicy

    return StreamScalingPolicy.fixed_scaling_policy(segments)
