"""What clients of Perennial have to show, group by group, with Perennial itself.

The groups are those of clients/python/tests/README.md; a test is named after what its group promises.
"""

import asyncio
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from clients.python.tests.conformance.member import fingerprint
from clients.python.tests.conformance.members import all_answer
from clients.python.tests.conformance.mortal import POINTS
from clients.python.tests.live.desk import ACCESS, PASSWORD
from perennial import Account, Accounts
from perennial.book import State
from perennial.errors import (
    ConfigError,
    OfflineError,
    ReauthRequired,
    ServerBusyError,
    SessionError,
    SignedOut,
)
from perennial.messages import TransportError
from perennial.prompts import password_prompt
from perennial.stores import SqliteStore
from perennial.transport import UrllibTransport

CROWD = 20
FAULTS = [
    {"fault": "drop-before"},
    {"fault": "503", "seconds": 0},
    {"fault": "503", "seconds": 0, "when": "after"},
    {"fault": "502-html"},
    {"fault": "429", "seconds": 1},
    {"fault": "delay", "seconds": 5, "when": "after"},
    {"fault": "duplicate"},
]


class Line:
    """The network between one application and the server, and what the token endpoint was asked."""

    def __init__(self):
        self._send, self.cut, self.refreshes = UrllibTransport(), False, []

    def __call__(self, request):
        if self.cut:
            raise TransportError("no route", reached=False)
        if b"grant_type=refresh_token" in (request.body or b""):
            self.refreshes.append((request.body, request.headers["Idempotency-Key"]))
        return self._send(request)


@pytest.fixture
def line():
    return Line()


@pytest.fixture
def crowd():
    with ThreadPoolExecutor(CROWD) as pool:
        yield pool


def test_2_late_refusals_of_an_old_token_cause_one_refresh(desk, crowd):
    session = desk.signed_in()
    desk.office.http.post("/dev/clock", json={"advance": ACCESS + 60}).raise_for_status()
    answers = list(crowd.map(lambda _: desk.sessions(session), range(CROWD)))
    desk.office.clock.ahead += ACCESS + 60
    assert {each.status_code for each in answers} == {200}
    assert any(each.extensions.get("perennial_replayed") for each in answers)
    desk.expect_token_requests(2)


def test_3_a_session_that_is_over_is_no_loop(desk):
    session = desk.signed_in()
    assert desk.sessions(session).status_code == 200
    assert desk.office.server.cli("session", "revoke", desk.session_id()).returncode == 0
    desk.office.http.post("/dev/clock", json={"advance": ACCESS + 60}).raise_for_status()
    with pytest.raises(ReauthRequired):
        desk.sessions(session)
    desk.office.clock.ahead += ACCESS + 60
    desk.expect_token_requests(2)


def test_4_and_11_what_is_wrong_with_the_client_keeps_the_session(desk):
    desk.signed_in()
    desk.expire()
    with pytest.raises(ConfigError) as error:
        desk.session(client_secret="wrong").token()
    assert error.value.code == "invalid_client"
    desk.expect_token_requests(2)
    assert desk.session().token()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: "-".join(map(str, each.values())))
def test_6_to_10_what_settles_nothing_is_asked_for_again_with_the_same_token_and_key(
    desk, line, fault
):
    session = desk.signed_in(transport=line, timeout=2 if fault["fault"] == "delay" else 8)
    desk.expire()
    desk.office.order(**fault)
    session.token()
    assert len(line.refreshes) == (1 if fault["fault"] == "duplicate" else 2)
    assert len(set(line.refreshes)) == 1
    assert session.state is State.ACTIVE
    desk.expire()
    assert desk.session().token() == session.token()


def test_9_a_server_that_asks_to_wait_is_left_alone(desk, line):
    session = desk.signed_in(transport=line)
    desk.expire()
    desk.office.order("503", seconds=30)
    for _ in range(3):
        with pytest.raises(ServerBusyError) as busy:
            session.token(timeout=0.5)
        assert 0 < busy.value.retry_after <= 30
    assert len(line.refreshes) == 1
    desk.office.advance(30)
    assert session.token()


def test_12_and_13_without_a_network_nobody_is_signed_out(desk, line, crowd):
    desk.signed_in()
    desk.expire()
    line.cut = True
    session = desk.session(transport=line)
    assert session.restore() is State.ACTIVE
    with pytest.raises(OfflineError):
        session.token(timeout=0.2)
    assert session.state is State.OFFLINE
    waiting = [crowd.submit(session.token, 30) for _ in range(CROWD)]
    desk.office.advance(1000)
    line.cut = False
    session.wake()
    assert len({each.result() for each in waiting}) == 1
    assert len(line.refreshes) == 1


@pytest.mark.parametrize("point", POINTS)
def test_18_a_process_killed_at_any_point_of_a_refresh_loses_nothing(desk, point):
    desk.signed_in()
    desk.expire()
    assert desk.dies(point) == -signal.SIGKILL
    desk.office.advance(300)  # longer than the grace window
    session = desk.session()
    for _ in range(2):
        assert session.token()
        desk.expire()
    assert session.state is State.ACTIVE


def test_19_and_28_a_process_that_slept_in_the_middle_of_a_refresh_goes_on(desk, processes):
    desk.signed_in()
    sleeper, other = processes.start(2, *desk.made_for(), lock_patience=0.2)
    desk.expire()
    desk.refreshing(lambda: sleeper.ask("token"))
    sleeper.stand_still()
    other.ask("token")
    token = other.answer()
    assert len(token) == len(fingerprint(""))
    sleeper.go_on()
    assert len(sleeper.answer()) == len(fingerprint(""))
    desk.office.advance(2 * ACCESS)
    assert len(set(all_answer([sleeper, other], "token"))) == 1


def test_20_children_that_forked_off_share_the_refresh_with_their_parent(desk, processes):
    desk.signed_in()
    (parent,) = processes.start(1, *desk.made_for())
    for number in range(1, 3):
        desk.expire()
        parent.ask("forked", number=4)
        assert len(set(parent.answer())) == 1
        desk.expect_token_requests(1 + number)
    assert processes.end() == ""


def test_21_an_event_loop_for_each_call_is_as_good_as_one(desk, crowd):
    session = desk.signed_in()
    desk.expire()
    tokens = crowd.map(lambda _: asyncio.run(session.atoken()), range(CROWD))
    assert len(set(tokens)) == 1
    desk.expect_token_requests(2)


def test_22_callers_that_give_up_do_not_end_the_refresh(desk, crowd):
    session = desk.signed_in()
    desk.expire()
    desk.office.order("delay", seconds=1, when="after")

    async def give_up():
        tasks = [asyncio.ensure_future(session.atoken()) for _ in range(CROWD)]
        await asyncio.sleep(0)
        for each in tasks:
            each.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    given_up = asyncio.run(give_up())
    assert all(isinstance(each, asyncio.CancelledError) for each in given_up)
    session.close()
    desk.expect_token_requests(2)
    assert desk.session().token() == session.token()
    desk.expect_token_requests(2)


def test_24_a_logout_beats_a_refresh_on_its_way(desk, crowd):
    session, sibling = desk.signed_in(), desk.session()
    desk.expire()
    waiting = desk.refreshing(lambda: crowd.submit(session.token))
    assert sibling.logout() is True
    with suppress(SignedOut):
        waiting.result()
    session.close()
    desk.expire()
    for each in (session, sibling, desk.session()):
        with pytest.raises(SignedOut):
            each.token()
    assert (
        "revoked_by_client" in desk.office.server.cli("session", "show", desk.session_id()).stdout
    )


def test_25_a_sign_in_during_a_refresh_is_not_undone(desk, crowd):
    session = desk.signed_in()
    desk.expire()
    waiting = desk.refreshing(lambda: crowd.submit(session.token))
    session.sign_in_with_password("alice", PASSWORD)
    with suppress(SessionError):
        waiting.result()
    session.close()
    (listed,) = [each for each in desk.sessions(session).json()["sessions"] if each["current"]]
    assert listed["id"] == desk.session_id()
    assert desk.session().token() == session.token()


def test_26_accounts_know_nothing_of_each_other(desk, tmp_path):
    office = desk.office
    accounts = Accounts(
        tmp_path, store=lambda path: SqliteStore(tmp_path / "all.db", path), clock=office.clock
    )
    one, two = (
        accounts.get(Account(office.server.url, office.client_id, name)) for name in ("a", "b")
    )
    for each in (one, two):
        each.sign_in_with_password("alice", PASSWORD)
    assert one.token() != two.token()
    assert one.logout() is True
    desk.expire()
    assert two.token()


def test_29_waking_fetches_only_what_is_due(desk):
    session = desk.signed_in()
    session.wake()
    session.close()
    desk.expect_token_requests(1)
    desk.office.advance(ACCESS - 10)
    session.wake()
    session.close()
    desk.expect_token_requests(2)


def test_32_all_who_wait_cause_one_prompt(desk, crowd):
    asked = []

    def password():
        asked.append(threading.get_ident())
        return PASSWORD

    session = desk.signed_in(reauthenticators=[password_prompt(lambda: "alice", password)])
    assert desk.office.server.cli("session", "revoke", desk.session_id()).returncode == 0
    desk.expire()
    tokens = set(crowd.map(lambda _: session.token(), range(CROWD)))
    assert (len(tokens), len(asked)) == (1, 1)


def test_33_a_listener_may_call_anything(desk):
    heard = []

    def listen(event):
        heard.append(event.name)
        with suppress(SessionError):
            session.token(timeout=1)
        if event.name == "refreshed":
            session.logout()

    session = desk.session()
    for name in ("signed_in", "refreshed", "signed_out"):
        session.on(name, listen)
    session.sign_in_with_password("alice", PASSWORD)
    desk.expire()
    with suppress(SignedOut):
        session.token()
    session.close()
    assert heard == ["signed_in", "refreshed", "signed_out"]


def test_39_whatever_becomes_of_answers_siblings_keep_one_session(desk, processes):
    desk.signed_in()
    three = processes.start(3, *desk.made_for(), lock_patience=0.2)
    faults = [each for each in FAULTS if each.get("seconds", 0) == 0]
    for fault in [*faults, {"fault": "drop"}, {"fault": "truncate"}] * 3:
        desk.expire()
        desk.office.order(**fault, times=100, rate=0.4)
        for token in all_answer(three, "token", seconds=30):
            assert len(token) == len(fingerprint("")), (fault, token)
    desk.office.http.delete("/dev/chaos").raise_for_status()
    desk.expire()
    assert len(set(all_answer(three, "token"))) == 1
    assert not desk.office.logged("reuse_detected", session=desk.session_id())
