"""A process that refreshes a session and is killed at one point of it. Its arguments: JSON."""

import json
import os
import signal
import subprocess
import sys

from clients.python.tests.conformance.members import ROOT
from clients.python.tests.conformance.passing import PassingClock
from clients.python.tests.conformance.shelf import tokens_of
from perennial.session import Session
from perennial.stores import FileStore
from perennial.transport import UrllibTransport

POINTS = (
    "before_send",
    "after_commit_of_intent",
    "after_response",
    "after_temp_write",
    "after_rename",
    "after_persist",
)


class Mortal:
    """Store and transport of a session, which end their process at `point`."""

    def __init__(self, path, point):
        self._store, self._send, self._point = FileStore(path), UrllibTransport(), point
        self.read, self.lock = self._store.read, self._store.lock

    def swap(self, expected, new):
        if json.loads(new.document)["intent"] is not None:
            self._reach("before_send")
        elif tokens_of(new) != tokens_of(self._store.read()):
            os.replace = self._replacing(os.replace)
        done = self._store.swap(expected, new)
        if json.loads(new.document)["intent"] is None:
            self._reach("after_persist")
        return done

    def __call__(self, request):
        refresh = b"grant_type=refresh_token" in (request.body or b"")
        if refresh:
            self._reach("before_send")
            self._reach("after_commit_of_intent")
        answer = self._send(request)
        if refresh:
            self._reach("after_response")
        return answer

    def _replacing(self, replace):
        def replaced(*paths):
            self._reach("after_temp_write")
            replace(*paths)
            self._reach("after_rename")

        return replaced

    def _reach(self, point):
        if point == self._point:
            os.kill(os.getpid(), signal.SIGKILL)


def main(url, path, point, ahead, set_by, client_id="conformance"):
    mortal = Mortal(path, point)
    session = Session(
        issuer=url,
        client_id=client_id,
        store=mortal,
        transport=mortal,
        clock=PassingClock(ahead, set_by),
    )
    session.token(timeout=20)


def dies(**told):
    """In a process of its own; its exit code."""
    command = [sys.executable, "-m", __name__, json.dumps(told)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=30, check=False)
    assert (ended.stdout, ended.stderr) == (b"", b"")
    return ended.returncode


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
