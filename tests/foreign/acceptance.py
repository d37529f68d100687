"""What applications do with Pravega, through its Python client (which is the Rust client underneath): a line of JSON per
scenario, which is the same text on every server that is a Pravega. Exit status 1 and the cause on stderr if a scenario
did not find what it must. acceptance/Acceptance.java is its counterpart for the Java client.

    acceptance.py CONTROLLER SCOPE-PREFIX [SCENARIO...]
"""

import faulthandler
import json
import os
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from acceptance_py import byte_streams, reading, scaling, scopes_and_streams, transactions
from acceptance_py.trial import Trial, describe
from foreign_client import take_stdout

SCENARIO_SECONDS = 90
# Scenarios spend most of their time waiting.
AT_A_TIME = 3
SCENARIOS = {
    # Those that take longest come first.
    "scaling": scaling.scaling,
    "transactions": transactions.transactions,
    "two-readers": reading.two_readers,
    "stream-cuts": reading.stream_cuts,
    "reader-removal": reading.reader_removal,
    "keyed-events": reading.keyed_events,
    "event-sizes": reading.event_sizes,
    "sealed-streams": reading.sealed_streams,
    "byte-streams": byte_streams.byte_streams,
    "scopes": scopes_and_streams.scopes,
    "streams": scopes_and_streams.streams,
    "tags": scopes_and_streams.tags,
}


def main(args):
    if args[:1] == ["--one"] and len(args) == 4:
        run_one(*args[1:])
    elif args[:1] == ["--write-and-scale"] and len(args) == 3:
        scaling.write_and_scale(*args[1:])
    elif len(args) >= 2:
        sys.exit(0 if run_all(args[0], args[1], args[2:] or list(SCENARIOS)) else 1)
    else:
        sys.exit(__doc__)


def run_all(controller, prefix, names):
    all_passed = True
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for line, passed in pool.map(lambda name: run_apart(controller, f"{prefix}-{name}", name), names):
            print(line, flush=True)
            all_passed &= passed
    return all_passed


def run_apart(controller, scope, name):
    """In a separate process: native code may spin where no Python runs any more."""
    start = time.monotonic()
    command = [sys.executable, __file__, "--one", controller, scope, name]
    child = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8")
    results = [json.loads(line) for line in child.stdout.splitlines()]
    line = json.dumps({"scenario": name, "results": results}, ensure_ascii=False)
    print(f"{name}: {time.monotonic() - start:.1f} s", file=sys.stderr)
    return line.replace(scope, "SCOPE"), child.returncode == 0


def run_one(controller, scope, name):
    # Ends the process too; it is the kernel's timer, which needs no interpreter.
    faulthandler.dump_traceback_later(SCENARIO_SECONDS, exit=True)
    trial = Trial(controller, scope, take_stdout())
    status = 0
    try:
        trial.check("the scope is new", trial.manager.create_scope(scope))
        SCENARIOS[name](trial)
    except BaseException as failure:
        traceback.print_exc()
        trial.report("failed", describe(failure))
        status = 1
    # The native threads have nothing left to do, and one that spins would keep the interpreter from ending.
    os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
