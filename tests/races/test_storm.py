"""Shared sessions, a bad network, callers and workers that are killed, a database that goes away:
nobody has to sign in again. And with a thief in every family: every theft ends it.
"""

import json
import os
import random
import signal
import time
from collections import Counter

import pytest
from sqlalchemy import text

from app.core.refresh_token import parse
from tests.flows.enrolment import beside, enrol
from tests.live import LiveServer
from tests.races.storm import Plan, Storm
from tests.scale import record, scaled
from tests.servers import PostgreSQL, wait_until

pytestmark = pytest.mark.proof

WINDOW = 1  # W in seconds: what comes back later than this needs its key
AWAY = 1.5
LONGEST = scaled(0.2, 0.5)  # of the injected delays, in seconds
PROCESSES = scaled(8, 16)
WORKERS_KILLED = scaled(1, 2)
ENV = {"PERENNIAL_REUSE_GRACE": str(WINDOW), "PERENNIAL_LOG_FORMAT": "json"}


class Site:
    """A server of two workers, and how its database is taken away and brought back."""

    def __init__(self, system, server, restart):
        self.system, self.server, self.restart_database = system, server, restart

    def kill_a_worker(self):
        before = self.server.worker_pids()
        os.kill(random.choice(before), signal.SIGKILL)
        wait_until(
            lambda: len(now := self.server.worker_pids()) == len(before) and now != before,
            "a new worker",
        )

    def rules(self):
        """How often each rule answered a refresh, over every start of the server."""
        lines = (line for line in self.server.log_text().splitlines() if line.startswith("{"))
        facts = (json.loads(line) for line in lines if '"refreshed"' in line)
        return Counter(fact["rule"] for fact in facts)

    def ended(self, account):
        """Why sessions of this account have ended, and how many of them."""
        query = text("SELECT revoke_reason FROM sessions WHERE client_id = :id")
        with beside(self.server) as run, run.rotations.connect() as connection:
            reasons = connection.execute(query, {"id": account.client_id}).scalars()
            return Counter(reason for reason in reasons if reason is not None)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("storm")
    if request.param == "sqlite":
        # The database lives in the server's processes: both go together.
        with LiveServer(folder, workers=2, env=ENV) as server:

            def cut_the_power():
                server.kill()
                server.start()

            yield Site(request.param, server, cut_the_power)
        return
    postgresql = PostgreSQL()

    def restart():
        postgresql.crash()
        postgresql.start()

    url = postgresql.create_database()
    with LiveServer(folder, workers=2, env=ENV, database_url=url) as server:
        yield Site(request.param, server, restart)
    postgresql.stop()


@pytest.fixture
def begin(site, tmp_path):
    def begin(*, sessions, goal):
        account = enrol(site.server)
        return Storm(Plan(account, tmp_path, sessions, PROCESSES, goal, LONGEST, AWAY))

    return begin


def spread(worker_kills, restart):
    """The restart in the middle of the others."""
    half = (len(worker_kills) + 1) // 2
    return [*worker_kills[:half], restart, *worker_kills[half:]]


def test_a_storm_signs_nobody_out(site, begin):
    storm = begin(sessions=scaled(10, 50), goal=scaled(300, 10_000))
    before = site.rules()
    kills = [site.kill_a_worker] * WORKERS_KILLED
    seconds = storm.rage(spread(kills, site.restart_database))
    journal = storm.journal
    assert journal.refusals() == []
    assert journal.forks() == 0
    last = [storm.refresh(session)[1].status for session in storm.wallet.sessions()]
    assert last == [200] * storm.plan.sessions
    family_kills = site.ended(storm.plan.account)
    assert family_kills == {}
    rules = site.rules() - before
    assert storm.killed > 0
    assert journal.shared() > 0, "processes presented the same token"
    assert rules["R6k"] > 0, "somebody came back with his key after the window"
    record(
        "storm",
        site.system,
        {
            "refreshes": journal.served(),
            "attempts": journal.attempts(),
            "sessions": storm.plan.sessions,
            "processes": PROCESSES,
            "dropped": storm.dropped(),
            "caller kills": storm.killed,
            "worker kills": WORKERS_KILLED,
            "database restarts": 1,
            "asked to come again": journal.busy(),
            "answered by R6k": rules["R6k"],
            "healed by R8": rules["R8"],
            "forced sign-ins": len(journal.refusals()),
            "family kills": family_kills.total(),
            "seconds": round(seconds),
        },
    )


class Thief:
    """Copies a session's token at one moment and presents it at another, once nobody can take him
    for its owner: it is superseded twice, or once and the window is over. He has no key.
    """

    def __init__(self, storm, session):
        self.session = session
        self._storm = storm
        self._steals, self._strikes = sorted(random.random() * 0.9 for _ in range(2))
        self._stolen = None
        self.struck_at = None
        self.answer = None

    def watch(self, progress):
        if self.struck_at is not None or progress < self._steals:
            return
        token = self._storm.wallet.token(self.session)
        if self._stolen is None:
            self._stolen = token
        elif progress >= self._strikes and generation(token) >= generation(self._stolen) + 2:
            self.strike(self._stolen)

    def strike(self, token):
        self.struck_at = time.monotonic()
        self.answer = self._storm.present(token)


def generation(token):
    return parse(token).generation


def test_a_thief_in_each_family_never_gets_in_and_ends_it(site, begin):
    """One half strikes in the storm; the other when the owner has rested for longer than W."""
    storm = begin(sessions=scaled(8, 50), goal=scaled(150, 4000))
    thieves = [Thief(storm, session) for session in storm.wallet.sessions()]
    seconds = storm.rage(watch=lambda progress: [thief.watch(progress) for thief in thieves[::2]])
    struck = {thief.session: thief.struck_at for thief in thieves if thief.struck_at is not None}
    patient = [thief for thief in thieves if thief.struck_at is None]
    assert struck
    assert site.ended(storm.plan.account) == {"token_reused": len(struck)}, "and no other"
    for refusal in storm.journal.refusals():
        assert (refusal.status, refusal.reason) == (400, "session_reused")
        assert refusal.at > struck[refusal.session], "nobody was refused before the theft"
    superseded = {}
    for thief in patient:
        superseded[thief.session], answer = storm.refresh(thief.session)
        assert answer.status == 200
    rested = time.monotonic() + WINDOW
    wait_until(lambda: time.monotonic() > rested, "the end of the window")
    for thief in patient:
        thief.strike(superseded[thief.session])
    replays = [thief.answer for thief in thieves if thief.answer is not None]
    refused = [(each.status, each.body.get("reason")) for each in replays]
    assert refused == [(400, "session_reused")] * (len(struck) + len(patient))
    assert site.ended(storm.plan.account) == {"token_reused": len(replays)}
    for thief in patient:
        assert storm.refresh(thief.session)[1].body["reason"] == "session_reused"
    figures = {
        "refreshes": storm.journal.served(),
        "sessions": storm.plan.sessions,
        "processes": PROCESSES,
        "replays": len(replays),
        "replays let in": 0,
        "families ended": len(replays),
        "others ended": 0,
        "seconds": round(seconds),
    }
    record("storm", f"{site.system}, a thief in each family", figures)
