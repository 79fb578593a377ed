"""Processes that share sessions and refresh them without a pause between two refreshes.

Here the network's delays are part of the injected clock: it moves by jumps while requests are on
their way, and between a server's read and its swap, but never so far that one of them is under way
for longer than `LONGEST`.
"""

import contextlib
import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from sqlalchemy import event, text

from tests.scale import SEED, record, scaled

pytestmark = pytest.mark.proof

INTERVAL = 5  # C in seconds
LONGEST = 2400  # milliseconds, less than C/2: once to save a successor, once to present a token
JUMP = 400
HOSTS = 4
THREADS = 8
SESSIONS = scaled(5, 50)
REFRESHES = scaled(600, 10_000)


class Network:
    """The clock of all hosts, held back by the oldest request that is under way."""

    def __init__(self, hosts):
        self._clocks = [host.clock for host in hosts]
        self._under_way: dict[int, int] = {}
        self._lock = threading.Lock()
        self._random = random.Random(SEED)
        for host in hosts:
            event.listen(host.run.rotations, "before_cursor_execute", self._before_a_statement)

    @contextlib.contextmanager
    def request(self):
        me = threading.get_ident()
        with self._lock:
            self._under_way[me] = self._clocks[0].now
        try:
            yield
        finally:
            with self._lock:
                del self._under_way[me]

    def jump(self):
        with self._lock:
            now = self._clocks[0].now
            latest = min(self._under_way.values(), default=now) + LONGEST
            now = min(now + self._random.randrange(JUMP), latest)
            for clock in self._clocks:
                clock.now = now

    def _before_a_statement(self, connection, cursor, statement, *_):
        if statement.startswith("UPDATE sessions"):
            self.jump()


@dataclass
class Client:
    """The tokens of sessions that all threads share."""

    hosts: list
    registered: object
    network: Network
    tokens: list[str] = field(default_factory=list)
    sign_ins: int = 0
    answers: list = field(default_factory=list)

    def __post_init__(self):
        self._lock = threading.Lock()
        self._left = itertools.count(1)
        self.tokens = [self.sign_in() for _ in range(SESSIONS)]

    def sign_in(self):
        self.sign_ins += 1
        return self.hosts[0].sign_in(self.registered)["refresh_token"]

    def loop(self, host):
        """No pause at all: whatever comes back is presented at once."""
        while next(self._left) <= REFRESHES:
            with self.network.request():
                session = random.randrange(SESSIONS)
                token = self.tokens[session]
                self.network.jump()
                answer = host.refresh(self.registered, token)
                self.network.jump()
                self.answers.append((answer.status_code, answer.json.get("reason")))
                self._save(session, token, answer.json.get("refresh_token"))

    def _save(self, session, presented, successor):
        """Only over the token that was presented; without a successor the person signs in."""
        with self._lock:
            if self.tokens[session] == presented:
                self.tokens[session] = successor or self.sign_in()

    def refresh_in_tight_loops(self):
        by_turns = itertools.islice(itertools.cycle(self.hosts), THREADS)
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self.loop, by_turns))
        assert len(self.answers) == REFRESHES
        with self.hosts[0].run.rotations.connect() as connection:
            rows = connection.execute(text("SELECT gen, revoke_reason FROM sessions")).all()
        return sum(gen - 1 for gen, _ in rows), [reason for _, reason in rows if reason is not None]


@pytest.fixture
def client(make_any_site):
    def client(**wish):
        hosts = [make_any_site() for _ in range(HOSTS)]
        hosts[0].user()
        return Client(hosts, hosts[0].client(**wish), Network(hosts))

    return client


def figures(client, rotations, kills):
    return {
        "refreshes": REFRESHES,
        "rotations": rotations,
        "sessions": SESSIONS,
        "kills": kills,
        "forced sign-ins": client.sign_ins - SESSIONS,
    }


def test_a_tight_loop_with_a_minimum_interval_signs_nobody_out(client):
    patient = client(min_rotation_interval=INTERVAL)
    rotations, ended = patient.refresh_in_tight_loops()
    assert set(patient.answers) == {(200, None)}
    assert patient.sign_ins == SESSIONS
    assert ended == []
    assert SESSIONS < rotations < REFRESHES, "many of them, but not each time"
    system = patient.hosts[0].run.rotations.dialect.name
    record("tight loop", f"C = {INTERVAL} s, {system}", figures(patient, rotations, 0))


def test_what_a_tight_loop_without_one_costs_is_counted(client):
    """The limit that docs/rotation.md admits: to a server this client looks like a thief, so how
    often it is taken for one is only a figure.
    """
    hasty = client()
    rotations, ended = hasty.refresh_in_tight_loops()
    assert set(ended) <= {"token_reused"}
    assert set(hasty.answers) <= {(200, None), (400, "session_reused")}
    unnoticed = len(ended) - (hasty.sign_ins - SESSIONS)
    assert 0 <= unnoticed <= SESSIONS, "who presents a token next signs in again"
    system = hasty.hosts[0].run.rotations.dialect.name
    record("tight loop", f"C = 0, {system}", figures(hasty, rotations, len(ended)))
