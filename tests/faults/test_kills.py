"""A worker is killed at exactly the worst moments, and the next one goes on where it was."""

import contextlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from app.core.refresh_token import parse
from tests.faults.outside import LogPipe, generation, new_worker, refreshed, swap_held
from tests.flows.caller import Caller
from tests.flows.enrolment import beside, enrol
from tests.flows.test_interruptions import read_by_server
from tests.live import LiveServer
from tests.races.crowd import HUNG
from tests.scale import record, scaled
from tests.servers import wait_until

ROUNDS = scaled(2, 15)
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'UPDATE sessions%'
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def piped(request, tmp_path_factory):
    """A server of one worker whose log is a pipe: (server, pipe)."""
    with contextlib.ExitStack() as undo:
        folder, url = tmp_path_factory.mktemp("piped"), None
        if request.param == "postgresql":
            postgresql = request.getfixturevalue("postgresql")
            url = postgresql.create_database()
            undo.callback(postgresql.drop_database, url)
        pipe = LogPipe(folder / "server.log")
        undo.callback(pipe.close)
        server = undo.enter_context(LiveServer(folder, database_url=url))
        yield server, pipe


def kill_worker(server: LiveServer, pipe: LogPipe) -> None:
    old = server.worker_pids()
    assert len(old) == 1
    os.kill(old[0], signal.SIGKILL)
    pipe.drain()  # the master tells of it
    new_worker(server, old)


def waiting_swaps(server: LiveServer) -> int:
    with beside(server) as run, run.rotations.connect() as connection:
        if connection.dialect.name == "sqlite":
            return read_by_server(server.port)  # what it has read waits for the only lock
        return connection.execute(text(WAITING)).scalar_one()


@pytest.mark.proof
def test_a_worker_killed_between_the_swap_and_the_answer_is_made_good_by_the_next(piped):
    """It cannot write its log line, which comes after the commit and before the answer."""
    server, pipe = piped
    account = enrol(server)
    caller = Caller(account)
    token = caller.sign_in()["refresh_token"]
    caller.close()
    for turn in range(ROUNDS):
        pipe.fill()
        caller.send("/oauth/token", grant_type="refresh_token", refresh_token=token)
        wait_until(lambda to=turn + 2: generation(server, account) == to, "the commit")
        kill_worker(server, pipe)
        with pytest.raises((OSError, EOFError)):
            caller.receive()
        caller.close()
        again = refreshed(account, token)
        assert again.status_code == 200, again.text
        assert generation(server, account) == turn + 2
        token = again.json()["refresh_token"]
        assert parse(token).generation == turn + 2
        pipe.drain()
    record("kills after the swap", backend(server), {"kills": ROUNDS})


@pytest.mark.proof
def test_a_worker_killed_before_the_swap_leaves_a_first_rotation_to_the_next(piped):
    """On PostgreSQL the dead worker's swap is still waiting, and races with the repetition's."""
    server, pipe = piped
    account = enrol(server)
    caller = Caller(account)
    token = caller.sign_in()["refresh_token"]
    caller.close()
    for turn in range(ROUNDS):
        with ThreadPoolExecutor(1) as pool:
            with swap_held(server):
                caller.send("/oauth/token", grant_type="refresh_token", refresh_token=token)
                wait_until(lambda: waiting_swaps(server) == 1, "a swap that waits")
                kill_worker(server, pipe)
                assert generation(server, account) == turn + 1
                waiting = waiting_swaps(server)
                repeated = pool.submit(refreshed, account, token)
                wait_until(lambda to=waiting + 1: waiting_swaps(server) == to, "the repetition")
            again = repeated.result(HUNG)
        caller.close()
        assert again.status_code == 200, again.text
        token = again.json()["refresh_token"]
        assert parse(token).generation == turn + 2
        assert generation(server, account) == turn + 2
        pipe.drain()
    record("kills before the swap", backend(server), {"kills": ROUNDS})


def backend(server: LiveServer) -> str:
    return server.env["PERENNIAL_DATABASE_URL"].partition(":")[0].partition("+")[0]
