"""A session with Perennial as it is run: gunicorn, two workers, a database."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients.python.tests.conformance.members import all_answer
from clients.python.tests.live.desk import ACCESS, IDLE, PASSWORD
from perennial.book import State
from perennial.errors import ReauthRequired, ServerBusyError, SignedOut, SignInError
from perennial.transport import UrllibTransport

CROWD = 50
transport = UrllibTransport()


def test_a_session_begins_is_refreshed_and_ends(desk):
    session = desk.signed_in(scope="read")
    first = session.token()
    assert session.granted_scope == "read"
    assert ACCESS - 10 < session.times.access_token_left <= ACCESS
    assert IDLE - 10 < session.times.refresh_token_left <= IDLE
    desk.office.advance(ACCESS + 1)
    assert session.token() != first
    assert desk.session().token() == session.token(), "it is in the file"
    assert session.logout() is True
    for each in (session, desk.session()):
        with pytest.raises(SignedOut):
            each.token()
    desk.expect_token_requests(2)


def test_a_wrong_password_is_no_session(desk):
    session = desk.session()
    with pytest.raises(SignInError) as refusal:
        session.sign_in_with_password("alice", "wrong")
    assert refusal.value.code == "invalid_grant"
    with pytest.raises(SignedOut):
        session.token()


def test_fifty_threads_and_fifty_tasks_at_expiry_make_one_refresh(desk):
    session = desk.signed_in()
    desk.office.advance(ACCESS + 1)

    async def tasks():
        return await asyncio.gather(*(session.atoken() for _ in range(CROWD)))

    with ThreadPoolExecutor(CROWD + 1) as crowd:
        threads = [crowd.submit(session.token) for _ in range(CROWD)]
        loop = crowd.submit(asyncio.run, tasks())
        tokens = {*(each.result() for each in threads), *loop.result()}
    assert len(tokens) == 1
    desk.expect_token_requests(2)


@pytest.mark.parametrize("fault", ["drop", "truncate", "502-html"])
def test_a_lost_answer_is_asked_for_again_with_the_same_token_and_key(desk, fault):
    sent = []

    def noting(request):
        if b"refresh_token=" in (request.body or b""):
            sent.append((request.body, request.headers["Idempotency-Key"]))
        return transport(request)

    session = desk.signed_in(transport=noting)
    desk.office.advance(ACCESS + 1)
    desk.office.order(fault, **({"when": "after"} if fault == "502-html" else {}))
    session.token()
    assert len(sent) == 2
    assert len(set(sent)) == 1
    assert session.state is State.ACTIVE
    desk.office.advance(ACCESS + 1)
    session.token()
    assert len(sent) == 3


def test_an_answer_lost_for_longer_than_the_grace_window_is_still_to_be_had(desk):
    def then_nothing(request):
        try:
            return transport(request)
        finally:
            if b"refresh_token=" in (request.body or b""):
                desk.office.order("503", times=1000)

    desk.signed_in()
    desk.office.advance(ACCESS + 1)
    desk.office.order("drop")
    with pytest.raises(ServerBusyError):
        desk.session(transport=then_nothing).token(timeout=1)
    desk.office.http.delete("/dev/chaos").raise_for_status()
    desk.office.advance(600)
    launched_later = desk.session()
    assert launched_later.token()
    assert launched_later.state is State.ACTIVE


def test_two_processes_with_one_file_make_one_refresh(desk, processes):
    desk.signed_in()
    two = processes.start(2, *desk.made_for())
    for number in range(1, 4):
        desk.office.advance(ACCESS + 1)
        assert len(set(all_answer(two, "token"))) == 1
        desk.expect_token_requests(1 + number)
    assert processes.end() == ""


def test_the_server_knows_of_a_logout(desk):
    session = desk.signed_in()
    mine = desk.session_id()
    assert session.logout() is True
    shown = desk.office.server.cli("session", "show", mine).stdout
    assert "revoked_by_client" in shown


def test_a_session_that_an_operator_ended_says_so(desk):
    session = desk.signed_in()
    assert desk.office.server.cli("session", "revoke", desk.session_id()).returncode == 0
    desk.office.advance(ACCESS + 1)
    with pytest.raises(ReauthRequired) as refusal:
        session.token()
    assert refusal.value.reason == session.reason == "session_ended"
    (told,) = [event for event in desk.events if event.name == "reauth_required"]
    assert told.reason == "session_ended"


def test_a_session_that_nobody_used_for_too_long_says_so(desk):
    session = desk.signed_in()
    desk.office.advance(IDLE + 1)
    with pytest.raises(ReauthRequired) as refusal:
        session.token()
    assert refusal.value.reason == "session_idle"
    session.sign_in_with_password("alice", PASSWORD)
    assert session.token()


def test_no_token_is_in_the_log_of_either_side(desk, caplog):
    caplog.set_level("DEBUG")
    session = desk.signed_in()
    desk.office.advance(ACCESS + 1)
    desk.office.order("drop")
    session.token()
    said = json.loads(desk.path.read_text())["document"]
    words = [desk.office.server.log_text(), caplog.text, repr(session), *map(repr, desk.events)]
    for secret in (said["access_token"], said["refresh_token"]):
        assert not [word for word in words if secret in word]
