"""Sessions of one person, in this process and in others, on one file."""

from clients.python.tests.conformance.mortal import dies
from clients.python.tests.conformance.passing import PassingClock
from perennial.session import Session
from perennial.stores import FileStore


class Household:
    """One file, one server, one time."""

    def __init__(self, server, folder):
        self.server, self.path, self.clock = server, folder / "session.json", PassingClock()

    def session(self):
        return Session(
            issuer=self.server.url,
            client_id="conformance",
            store=FileStore(self.path),
            clock=self.clock,
        )

    def signed_in(self):
        session = self.session()
        session.sign_in_with_password("ana", "correct horse")
        return session

    def advance(self, seconds):
        self.server.advance_clock(seconds)
        self.clock.ahead += seconds

    def dies(self, point):
        """A process refreshes, if there is something to refresh, and is killed; its exit code."""
        return dies(
            url=self.server.url,
            path=str(self.path),
            point=point,
            ahead=self.clock.ahead,
            set_by=0,
        )

    def made_for(self):
        return self.server.url, self.path, self.clock

    def counts(self, *names):
        found = self.server.log()["counts"]
        assert (found["family_kills"], found["forced_sign_ins"], found["keys_shared"]) == (0, 0, 0)
        return tuple(found[name] for name in names)
