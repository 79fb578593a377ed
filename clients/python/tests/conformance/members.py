"""Processes with sessions, seen from the test that starts them."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
MEMBER = "clients.python.tests.conformance.member"
SECONDS = 30
# It does fork with threads: that it can is what some tests show.
STRICT = ("-W", "error", "-W", "ignore:This process:DeprecationWarning")


class Process:
    def __init__(self, url, path, clock, client_id="conformance", lock_patience=10.0):
        told = {
            "url": url,
            "client_id": client_id,
            "path": str(path),
            "lock_patience": lock_patience,
        }
        self.clock = clock
        self._process = subprocess.Popen(
            [sys.executable, *STRICT, "-m", MEMBER, json.dumps(told)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def ask(self, do, **how):
        """Begin it; `answer` has the end."""
        asked = {"do": do, "ahead": self.clock.ahead, **how}
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process.stdin.flush()

    def answer(self):
        ready, _, _ = select.select([self._process.stdout], [], [], SECONDS)
        assert ready, "no answer"
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read().decode()
        return json.loads(line)

    def leave(self):
        """Its program ends, as programs do; the exit code."""
        self._process.stdin.close()
        return self._process.wait(SECONDS)

    def stand_still(self):
        """Until `go_on`; it does when this returns."""
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self):
        os.kill(self._process.pid, signal.SIGCONT)

    def end(self):
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()
        with self._process.stderr as said:
            return said.read().decode()


class Processes:
    """Those of one test, which end with it."""

    def __init__(self):
        self._all = []

    def start(self, number, *made, **how):
        new = [Process(*made, **how) for _ in range(number)]
        self._all += new
        assert [each.answer() for each in new] == ["ready"] * number
        return new

    def end(self):
        """All that they wrote on standard error."""
        ended = []
        while self._all:
            process = self._all.pop()
            ended.append(process.end())
        return "".join(ended)


def all_answer(processes, do, **how):
    for each in processes:
        each.ask(do, **how)
    return [each.answer() for each in processes]
