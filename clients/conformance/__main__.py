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
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    with contextlib.suppress(KeyboardInterrupt), Conformance(arguments.port) as server:
        ready = {"url": server.url, "control": server.control_url}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


main()
