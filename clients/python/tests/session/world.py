"""A clock that the test moves, and a token server that answers as it is told, without sockets."""

import json
import threading
import time
from collections import deque
from contextlib import contextmanager
from urllib.parse import parse_qs

from perennial.clock import SystemClock
from perennial.errors import StorageError
from perennial.messages import Response, TransportError
from perennial.session import Session
from perennial.stores.memory import MemoryStore

ISSUER = "https://id.example.com"
START = 1_800_000_000.0
SECONDS = 30
SHORT = 0.2


class Clock(SystemClock):
    """Pauses end when the test moves the time, or somebody wakes them; very short ones at once."""

    def __init__(self):
        self._wall, self._monotonic = START, 1000.0
        self.moved = threading.Condition()
        self.pauses = []

    def wall(self):
        return self._wall

    def monotonic(self):
        return self._monotonic

    def advance(self, seconds):
        with self.moved:
            self._wall += seconds
            self._monotonic += seconds
            self.moved.notify_all()

    def jump(self, seconds):
        """Somebody sets the wall clock."""
        self._wall += seconds

    def pause(self, seconds, until):
        due = self._monotonic + (seconds if seconds > SHORT else 0)
        with self.moved:
            self.pauses.append(seconds)
            self.moved.notify_all()
            while self._monotonic < due and not until.is_set():
                self.moved.wait(0.005)

    def wait_for_pause(self, number=1):
        with self.moved:
            assert self.moved.wait_for(lambda: len(self.pauses) >= number, SECONDS)


class Server:
    """Rotates refresh tokens r0, r1, … and repeats a lost one. `plan` holds what the next requests
    to the token endpoint meet instead of an answer: an exception, a response, or a callable.
    """

    def __init__(self, clock, *, replays=True, lifetime=900, rotates=True):
        self.clock, self.lifetime, self.rotates = clock, lifetime, rotates
        self.metadata = {
            "issuer": ISSUER,
            "token_endpoint": f"{ISSUER}/token",
            "revocation_endpoint": f"{ISSUER}/revoke",
            "refresh_token_replay_supported": replays,
        }
        self.plan = deque()
        self.forms, self.keys, self.revoked = [], [], []
        self.generation, self.ended = 0, None
        self.mutex = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()
        self.away = False
        self.ends_at = START + 30 * 86_400

    def __call__(self, request):
        if self.away:
            raise TransportError("no route", reached=False)
        path = request.url.removeprefix(ISSUER)
        if path.startswith("/.well-known"):
            return answer(self.metadata)
        form = {name: value for name, (value,) in parse_qs(request.body.decode()).items()}
        if path == "/revoke":
            self.revoked.append(form["token"])
            return answer({})
        self.forms.append(form)
        self.keys.append(request.headers.get("Idempotency-Key"))
        assert self.gate.wait(SECONDS)
        with self.mutex:
            wanted = self.plan.popleft() if self.plan else self.grant
            if isinstance(wanted, Exception):
                raise wanted
            return wanted(form) if callable(wanted) else wanted

    def grant(self, form):
        if form["grant_type"] == "refresh_token":
            if self.ended is not None:
                return answer({"error": "invalid_grant", "reason": self.ended}, 400)
            presented = int(form["refresh_token"].removeprefix("r"))
            if not self.rotates or presented == self.generation:
                self.generation += 1
            elif presented + 1 != self.generation:
                self.ended = "session_reused"
                return answer({"error": "invalid_grant", "reason": self.ended}, 400)
        return answer(self.tokens())

    def tokens(self):
        said = {
            "access_token": f"a{self.generation}",
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "refresh_token": f"r{self.generation}" if self.rotates or not self.forms[1:] else None,
            "refresh_token_timeout": 86_400,
            "authorization_expires_in": self.ends_at - self.clock.wall(),
        }
        return {name: value for name, value in said.items() if value is not None}

    def lose_the_answer(self, form):
        self.grant(form)
        raise TransportError("reset")

    @property
    def refreshes(self):
        return [form for form in self.forms if form["grant_type"] == "refresh_token"]


def answer(said, status=200, **headers):
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return Response(status, {"content-type": "application/json", **headers}, body)


class Party:
    """One application: sessions that share a store, a server and a clock."""

    def __init__(self, store=None, **server):
        self.clock = Clock()
        self.server = Server(self.clock, **server)
        self.store = store or MemoryStore()
        self.events = []

    def session(self, **options):
        made = {
            "issuer": ISSUER,
            "client_id": "app",
            "store": self.store,
            "transport": self.server,
            "clock": self.clock,
            "on_event": self.events.append,
            **options,
        }
        return Session(**made)

    def signed_in(self, **options):
        session = self.session(**options)
        session.sign_in_with_password("alice", "correct horse")
        return session

    def told(self, name):
        return [event for event in self.events if event.name == name]

    def settled(self, session):
        """When no refresh is on its way."""
        session.close()
        return session


def until(condition):
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + SECONDS
        time.sleep(0.001)


class Failing:
    """A store whose parts stop working when they are named in `broken`."""

    def __init__(self, store):
        self._store, self.broken = store, set()

    def _try(self, part):
        if part in self.broken:
            raise StorageError(f"cannot {part}")

    def read(self):
        self._try("read")
        return self._store.read()

    def swap(self, expected, new):
        self._try("swap")
        return self._store.swap(expected, new)

    @contextmanager
    def lock(self, timeout):
        self._try("lock")
        with self._store.lock(timeout) as held:
            yield held
        self._try("unlock")
