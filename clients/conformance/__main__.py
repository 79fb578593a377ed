"""`python -m clients.conformance`: one line of JSON when it listens, then until stdin ends."""

import argparse
import contextlib
import json
import signal
import sys

from clients.conformance.conformance import Conformance


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m clients.conformance", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: one that is free")
    arguments = parser.parse_args()
    # Who is started in the background of a shell inherits that SIGINT is ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), Conformance(arguments.port) as server:
        ready = {"url": server.url, "control": server.control_url}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


main()
