"""Status lists of live servers: how soon an ending is published, and how soon it is obeyed."""

import contextlib
import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jwt
import pytest
from sqlalchemy import text

from app import create_app, system_clock
from app.core.sessions import EndReason
from app.features.sessions.jobs import FINISH, UNDISTURBED
from app.protocol.sign_out import end_everything, end_session
from app.services.runtime import runtime
from app.settings import load
from app.store import sessions, users
from tests.flows.caller import Account, Caller
from tests.flows.enrolment import beside, enrol
from tests.live import LiveServer
from tests.servers import wait_until
from tests.verifier import Fetched, OfflineVerifier

WORKERS = 3
TTL = 2
ROUNDS = 4
PUBLISHED = 1.0  # seconds from the answer to a revocation to the list of every worker


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request, tmp_path_factory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("status")
    settings = {"workers": WORKERS, "env": {"PERENNIAL_STATUS_TTL": str(TTL)}}
    if request.param == "sqlite":
        with LiveServer(folder, **settings) as server:
            yield server
        return
    postgresql = request.getfixturevalue("postgresql")
    url = postgresql.create_database()
    with LiveServer(folder, database_url=url, **settings) as server:
        yield server
    postgresql.drop_database(url)


def seconds() -> float:
    return system_clock() / 1000


class Session(NamedTuple):
    account: Account
    sid: str
    access_token: str
    refresh_token: str
    path: str
    index: int


def sign_in(server: LiveServer, account: Account | None = None) -> Session:
    account = account or enrol(server)
    with contextlib.closing(Caller(account)) as caller:
        tokens = caller.sign_in()
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    place = claims["status"]["status_list"]
    path = place["uri"].removeprefix(server.url)
    access, refresh = tokens["access_token"], tokens["refresh_token"]
    return Session(account, claims["sid"], access, refresh, path, place["idx"])


def worker_of(server: LiveServer, connection: http.client.HTTPConnection) -> int | None:
    """Which worker's a connection is, by the kernel's tables (Linux)."""
    here, there = f":{server.port:04X}", f":{connection.sock.getsockname()[1]:04X}"
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = row.split()
        if fields[1].endswith(here) and fields[2].endswith(there):
            wanted = f"socket:[{fields[9]}]"
            for pid in server.worker_pids():
                if any(link(each) == wanted for each in Path(f"/proc/{pid}/fd").iterdir()):
                    return pid
    return None


def link(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""


class Worker:
    """Asks one certain worker, over a connection of its own."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def close(self) -> None:
        self._connection.close()

    def fetch(self, path: str) -> Fetched:
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        return Fetched(answer.status, answer.headers, answer.read().decode())

    def bit(self, session: Session) -> int:
        verifier = OfflineVerifier(self.fetch, seconds)
        return verifier.bit(session.account.url + session.path, session.index)


@pytest.fixture
def workers(server) -> Iterator[list[Worker]]:
    """A connection to each of the server's workers."""
    found: dict[int, Worker] = {}

    def all_met() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        pid = worker_of(server, connection)
        if pid is None or pid in found:
            connection.close()
        else:
            found[pid] = Worker(connection)
        return len(found) == WORKERS

    wait_until(all_met, "a connection to every worker")
    yield list(found.values())
    for worker in found.values():
        worker.close()


def revoke(server: LiveServer, session: Session) -> None:
    with contextlib.closing(Caller(session.account)) as caller:
        assert caller.revoke(session.refresh_token).status == 200


def end_beside(server: LiveServer, session: Session) -> None:
    with beside(server) as run, run.rotations.connect() as connection:
        found = sessions.find_public(connection, session.sid)
        assert found is not None
        assert end_session(run, found, EndReason.OPERATOR)


def end_all(server: LiveServer, session: Session) -> None:
    with beside(server) as run:
        with run.rotations.connect() as connection:
            user = users.find_by_name(connection, session.account.username)
        assert user is not None
        end_everything(run, user, EndReason.SIGN_OUT_EVERYWHERE, run.now())


@pytest.mark.parametrize("end", [revoke, end_beside, end_all])
def test_every_worker_publishes_an_ending_within_a_second(server, workers, end):
    """However unluckily it falls between two readings."""
    account = enrol(server)
    waits = []
    for number in range(ROUNDS):
        session = sign_in(server, account)
        for worker in workers:
            assert worker.bit(session) == 0
        time_of_next = time.monotonic() + number / (2 * ROUNDS)
        wait_until(lambda at=time_of_next: time.monotonic() >= at, "another moment")
        end(server, session)
        waits.append(longest_ignorance(workers, session))
    print(f"{end.__name__}: published after {max(waits):.2f} s at most")
    assert max(waits) < PUBLISHED


def longest_ignorance(workers: list[Worker], session: Session) -> float:
    """From now to the start of the last request to which any worker answered with the old list."""
    ended_at = last = time.monotonic()

    def known() -> bool:
        nonlocal last
        started_at = time.monotonic()
        if all(worker.bit(session) for worker in workers):
            return True
        last = started_at
        return False

    wait_until(known, "the ending at every worker", seconds=10)
    return last - ended_at


@pytest.mark.parametrize("delay", [0.0, 0.7, 1.4])
def test_a_verifier_that_only_polls_refuses_in_time(server, delay):
    session = sign_in(server)
    verifier = OfflineVerifier.of_server(server.url, seconds)
    assert verifier.accepts(session.access_token)
    start = time.monotonic() + delay
    wait_until(lambda: time.monotonic() >= start, "another moment of the cache")
    assert verifier.accepts(session.access_token)
    revoke(server, session)
    revoked_at = time.monotonic()
    wait_until(lambda: not verifier.accepts(session.access_token), "a refusal", seconds=20)
    took = time.monotonic() - revoked_at
    print(f"refused after {took:.2f} s with a ttl of {TTL} s, {verifier.fetches} fetches")
    assert took < TTL + PUBLISHED


def test_sessions_begun_at_the_same_time_have_places_of_their_own(server):
    account = enrol(server)
    with ThreadPoolExecutor(4) as pool:  # more at a time are asked to come again
        begun = list(pool.map(lambda _: sign_in(server, account), range(24)))
    assert len({(session.path, session.index) for session in begun}) == len(begun)


KILLED = """
import os, signal, sys
from app import create_app
from app.core.sessions import EndReason
from app.protocol.sign_out import end_everything
from app.services.runtime import runtime
from app.settings import load
from app.store import sessions, users

mark, sessions.BATCH, batches = sessions.mark_ended, 2, []

def mark_and_die(*args):
    if batches:
        os.kill(os.getpid(), signal.SIGKILL)
    batches.append(mark(*args))
    return batches[-1]

sessions.mark_ended = mark_and_die
run = runtime(create_app(load()))
with run.rotations.connect() as connection:
    user = users.find_by_name(connection, sys.argv[1])
end_everything(run, user, EndReason.SIGN_OUT_EVERYWHERE, run.now())
"""


def test_a_log_out_everywhere_that_was_killed_half_way_is_published_and_finished(server, workers):
    account = enrol(server)
    begun = [sign_in(server, account) for _ in range(5)]
    for worker in workers:
        assert [worker.bit(session) for session in begun] == [0] * 5
    command = [sys.executable, "-c", KILLED, account.username]
    ended = subprocess.run(command, check=False, env=server.env, cwd=server.directory, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert (marked(server, account), endings(server)) == (2, 1)
    waits = [longest_ignorance(workers, session) for session in begun]
    assert max(waits) < PUBLISHED
    finish_later(server)
    assert (marked(server, account), endings(server)) == (5, 0)
    for worker in workers:
        assert [worker.bit(session) for session in begun] == [1] * 5


def marked(server: LiveServer, account: Account) -> int:
    query = (
        "SELECT count(*) FROM sessions JOIN users ON users.id = user_id"
        " WHERE username = :name AND revoked_at IS NOT NULL"
    )
    return ask(server, query, name=account.username)


def endings(server: LiveServer) -> int:
    return ask(server, "SELECT count(*) FROM endings")


def ask(server: LiveServer, query: str, **values: str) -> int:
    with beside(server) as run, run.rotations.connect() as connection:
        return connection.execute(text(query), values).scalar_one()


def finish_later(server: LiveServer) -> None:
    """The job, when the time has come that it leaves to whoever was killed."""
    run = runtime(create_app(load(server.env), lambda: system_clock() + UNDISTURBED))
    FINISH.work(run)
    run.transactions.dispose()
    run.rotations.dispose()
