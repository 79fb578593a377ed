"""A process with a session, which does what its standard input says: lines of JSON, as its answers
are. It never prints a token, only what tells one from another.
"""

import hashlib
import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from clients.python.tests.conformance.passing import PassingClock
from perennial import driver
from perennial.errors import SessionError
from perennial.session import Session
from perennial.stores import FileStore

SECONDS = 60


def fingerprint(token):
    return hashlib.sha256(token.encode()).hexdigest()


class Member:
    def __init__(self, url, client_id, path, lock_patience):
        driver.PATIENCE = lock_patience
        self.clock = PassingClock()
        self.session = Session(
            issuer=url, client_id=client_id, store=FileStore(path), clock=self.clock
        )

    def token(self, seconds=20):
        try:
            return fingerprint(self.session.token(seconds))
        except SessionError as error:
            return type(error).__name__

    def forked(self, number):
        """What so many children get, which come along with the session, and this process then."""
        return [*map(self._of_child, [self._child() for _ in range(number)]), self.token()]

    def busy_and_forked(self, number):
        """The same while a refresh is on its way. The caller sees to it that it takes that long."""
        with ThreadPoolExecutor(1) as pool:
            mine = pool.submit(self.token)
            while not self.session._engine._hangar.flight:
                pass
            return [*self.forked(number), mine.result()]

    def _child(self):
        reading, writing = os.pipe()
        if child := os.fork():
            os.close(writing)
            return child, reading
        signal.alarm(SECONDS)  # a child that waits for a thread it lacks does so for ever
        with suppress(BaseException):
            os.write(writing, self.token().encode())
        os._exit(0)

    def _of_child(self, made):
        child, reading = made
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        os.waitpid(child, 0)
        return said


def main(**made):
    member = Member(**made)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        member.clock.ahead = asked.pop("ahead")
        print(json.dumps(getattr(member, asked.pop("do"))(**asked)), flush=True)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
