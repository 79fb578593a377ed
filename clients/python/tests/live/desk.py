"""Perennial itself under gunicorn, and one application of it."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from clients.python.tests.conformance.mortal import dies
from clients.python.tests.conformance.passing import PassingClock, eventually
from perennial.httpx import SessionAuth
from perennial.session import Session
from perennial.stores import FileStore
from tests.live import LiveServer

PASSWORD = "correct horse battery staple"
ACCESS, IDLE = 60, 3600
API = "/api/v1/auth/sessions"


@dataclass
class Office:
    """The server, a public client of it, and the time of both."""

    server: LiveServer
    client_id: str
    clock: PassingClock = field(default_factory=PassingClock)

    def __post_init__(self):
        self.http = httpx.Client(base_url=self.server.url, trust_env=False)

    def advance(self, seconds):
        self.http.post("/dev/clock", json={"advance": seconds}).raise_for_status()
        self.clock.ahead += seconds

    def order(self, fault, **how):
        """A fault for the next request of this client's to /oauth/token."""
        told = {"client_id": self.client_id, "fault": fault, **how}
        self.http.post("/dev/chaos", json=told).raise_for_status()

    def logged(self, event, **members):
        return [
            line
            for line in self.server.log_text().splitlines()
            if f" {event} " in line
            and all(f" {name}={value}" in line for name, value in members.items())
        ]


@dataclass
class Desk:
    """One session file, and what has been asked of the server since it was made."""

    office: Office
    path: Path
    events: list = field(default_factory=list)

    def __post_init__(self):
        self._requests = len(self._token_requests())

    def session(self, **options):
        return Session(
            issuer=self.office.server.url,
            client_id=self.office.client_id,
            store=FileStore(self.path),
            clock=self.office.clock,
            on_event=self.events.append,
            **options,
        )

    def signed_in(self, **options):
        session = self.session(**options)
        session.sign_in_with_password("alice", PASSWORD)
        return session

    def expire(self):
        self.office.advance(ACCESS + 1)

    def refreshing(self, begin):
        """What `begin` answers: a refresh of which the server has done its part, and whose answer
        comes a second later.
        """
        before = len(self.office.logged("refreshed"))
        self.office.order("delay", seconds=1, when="after")
        begun = begin()

        def done():
            assert len(self.office.logged("refreshed")) > before

        eventually(done)
        return begun

    def dies(self, point):
        """A process that refreshes is killed; its exit code."""
        return dies(
            url=self.office.server.url,
            path=str(self.path),
            point=point,
            ahead=self.office.clock.ahead,
            set_by=0,
            client_id=self.office.client_id,
        )

    def sessions(self, session):
        """What the server's own API says, by httpx with the session."""
        auth = SessionAuth(session)
        return httpx.get(f"{self.office.server.url}{API}", auth=auth, trust_env=False, timeout=30)

    def made_for(self):
        return self.office.server.url, self.path, self.office.clock, self.office.client_id

    def session_id(self):
        """The server's name of the newest session."""

        def signed_in():
            assert self.office.logged("signed_in")

        eventually(signed_in)
        return re.search(r" session=(\w+)", self.office.logged("signed_in")[-1])[1]

    def expect_token_requests(self, number):
        def arrived():
            assert len(self._token_requests()) - self._requests == number

        eventually(arrived)

    def _token_requests(self):
        return self.office.logged("access", path="/oauth/token")
