"""Workers die, servers stop and start: nobody is signed out and nothing accepted is dropped."""

import contextlib
import os
import random
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.flows.caller import Caller
from tests.flows.enrolment import enrol
from tests.flows.loops import refreshing, wait_for_progress
from tests.live import LiveServer
from tests.servers import wait_until

KILLS = 12
TERM = "Handling signal: term"
ESTABLISHED = "01"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Every test leaves it running."""
    with LiveServer(tmp_path_factory.mktemp("interrupted"), workers=2) as server:
        yield server


def test_a_client_whose_worker_is_killed_repeats_its_token_and_continues(server):
    with refreshing(enrol(server), 4) as refreshers:
        for _ in range(KILLS):
            wait_for_progress(refreshers)
            before = server.worker_pids()
            os.kill(random.choice(before), signal.SIGKILL)
            wait_until(
                lambda old=before: len(now := server.worker_pids()) == 2 and now != old,
                "a new worker",
            )
        wait_for_progress(refreshers, 5)
    assert sum(refresher.unanswered for refresher in refreshers) > 0, "somebody felt a kill"
    for refresher in refreshers:
        assert refresher.is_signed_in()
        assert refresher.generation == refresher.answered + 1, "one generation for each answer"


def test_a_power_cut_and_a_restart_sign_nobody_out(server):
    account = enrol(server)
    with refreshing(account, 3) as refreshers:
        wait_for_progress(refreshers, 3)
        server.kill()
        server.start()
        wait_for_progress(refreshers, 3)
    assert all(refresher.is_signed_in() for refresher in refreshers)


def test_after_a_restart_keys_sessions_and_tokens_are_what_they_were(server):
    account = enrol(server)
    caller = Caller(account)
    tokens = caller.sign_in()
    keys = server.cli("keys", "list", "--json").stdout
    published = httpx.get(f"{server.url}/.well-known/jwks.json").json()
    caller.close()
    assert server.stop() == 0
    server.start()
    assert server.cli("keys", "list", "--json").stdout == keys
    assert httpx.get(f"{server.url}/.well-known/jwks.json").json() == published
    assert caller.is_active(tokens["access_token"])
    assert caller.refresh(tokens["refresh_token"]).status == 200
    caller.close()


def test_sigterm_lets_every_accepted_request_have_its_answer(server):
    account = enrol(server)
    callers = [Caller(account) for _ in range(8)]
    tokens = [caller.sign_in()["refresh_token"] for caller in callers]
    before = server.log_text().count(TERM)
    with contextlib.closing(sqlite3.connect(server.directory / "perennial.db")) as busy:
        busy.execute("BEGIN IMMEDIATE")  # every swap now waits for this
        for caller, token in zip(callers, tokens, strict=True):
            caller.send("/oauth/token", grant_type="refresh_token", refresh_token=token)
        wait_until(lambda: read_by_server(server.port) >= len(callers), "all requests accepted")
        with ThreadPoolExecutor(1) as pool:
            stopping = pool.submit(server.stop)
            wait_until(lambda: server.log_text().count(TERM) > before, "the signal")
            busy.rollback()
            answers = [caller.receive() for caller in callers]
            assert [answer.status for answer in answers] == [200] * len(callers)
            assert stopping.result() == 0
    server.start()
    for caller, answer in zip(callers, answers, strict=True):
        caller.close()
        assert caller.refresh(answer.body["refresh_token"]).status == 200, "committed, then stopped"
        caller.close()


def read_by_server(port: int) -> int:
    """How many open connections to this port have nothing left that the server did not read."""
    count = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        unread = int(queues.partition(":")[2], 16)
        count += int(local.partition(":")[2], 16) == port and state == ESTABLISHED and not unread
    return count
