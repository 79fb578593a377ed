"""What client authors test against: answers lost on a real connection, and time that passes."""

import contextlib
import os
import signal
import socket

import httpx
import pytest
import requests
from oauthlib.oauth2 import LegacyApplicationClient
from requests_oauthlib import OAuth2Session

from tests.flows.caller import Account, Caller, NoAnswerError
from tests.flows.enrolment import beside, enrol
from tests.live import LiveServer

HOUR, DAY = 3_600, 86_400
HEADER = "X-Perennial-Chaos"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One of its own: its clock is moved."""
    with LiveServer(tmp_path_factory.mktemp("dev"), workers=2) as server:
        yield server


@pytest.fixture(scope="module")
def account(server) -> Account:
    return enrol(server)


@pytest.fixture
def caller(account):
    caller = Caller(account)
    yield caller
    caller.close()


def advance(server, seconds):
    answer = httpx.post(f"{server.url}/dev/clock", json={"advance": seconds})
    assert answer.status_code == 200, answer.text


def order(account, fault, **members):
    wanted = {"client_id": account.client_id, "fault": fault, **members}
    answer = httpx.post(f"{account.url}/dev/chaos", json=wanted)
    assert answer.status_code == 200, answer.text


def on_the_wire(account, token, fault) -> bytes:
    """Every byte that comes back for a refresh, until the server ends the connection."""
    request = httpx.Request(
        "POST",
        f"{account.url}/oauth/token",
        data={"grant_type": "refresh_token", "refresh_token": token},
        headers={**account.headers, HEADER: fault},
    )
    head = [f"{name}: {value}" for name, value in request.headers.items()]
    raw = "\r\n".join(["POST /oauth/token HTTP/1.1", *head, "", request.content.decode()])
    address = (request.url.host, request.url.port)
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(raw.encode())
        return b"".join(iter(lambda: connection.recv(65_536), b""))


# --- faults ---------------------------------------------------------------------------------------


def test_a_dropped_answer_is_not_one_byte_and_the_retry_gets_the_successor(server, account, caller):
    token = caller.sign_in()["refresh_token"]
    assert on_the_wire(account, token, "drop") == b""
    first, second = caller.refresh(token), caller.refresh(token)
    assert (first.status, second.status) == (200, 200)
    assert first.body["refresh_token"] == second.body["refresh_token"]
    advance(server, 61)
    late = caller.refresh(token)
    assert late.body["reason"] == "session_reused", "the rotation was that of the lost answer"


def test_a_request_that_is_dropped_before_has_done_nothing(server, account, caller):
    token = caller.sign_in()["refresh_token"]
    assert on_the_wire(account, token, "drop-before") == b""
    advance(server, 61)
    assert caller.refresh(token).status == 200


def test_a_lost_answer_that_is_not_asked_for_again_within_the_window_ends_the_session(
    server, account, caller
):
    token = caller.sign_in()["refresh_token"]
    assert on_the_wire(account, token, "drop") == b""
    advance(server, 61)
    assert caller.refresh(token).body["reason"] == "session_reused"


def test_half_an_answer_is_less_than_its_head_promises(account, caller):
    token = caller.sign_in()["refresh_token"]
    head, _, body = on_the_wire(account, token, "truncate").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert f"Content-Length: {2 * len(body)}".encode() in head or (
        f"Content-Length: {2 * len(body) + 1}".encode() in head
    )
    assert caller.refresh(token).status == 200


@pytest.mark.parametrize("fault", ["drop", "drop-before", "truncate"])
def test_httpx_sees_that_the_connection_ended(account, caller, fault):
    token = caller.sign_in()["refresh_token"]
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(
            f"{account.url}/oauth/token",
            data={"grant_type": "refresh_token", "refresh_token": token},
            auth=account.basic,
            headers={HEADER: fault},
        )
    assert caller.refresh(token).status == 200


def test_requests_oauthlib_loses_an_answer_and_refreshes_with_the_same_token(account, monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    client_id, client_secret = account.basic
    url = f"{account.url}/oauth/token"
    with OAuth2Session(client=LegacyApplicationClient(client_id)) as session:
        first = session.fetch_token(
            url, username=account.username, password=account.password, client_secret=client_secret
        )
        order(account, "drop")
        with pytest.raises(requests.ConnectionError, match="without response"):
            session.refresh_token(url, auth=account.basic)
        second = session.refresh_token(url, auth=account.basic)
        third = session.refresh_token(url, first["refresh_token"], auth=account.basic)
    assert second["refresh_token"] == third["refresh_token"] != first["refresh_token"]


def test_a_connection_on_which_nothing_was_dropped_stays_open(account, caller):
    token = caller.sign_in()["refresh_token"]
    for fault in ("duplicate", "503"):
        order(account, fault)
        caller.refresh(token)
        assert caller._connection.sock is not None
    order(account, "drop")
    with pytest.raises(NoAnswerError):
        caller.refresh(token)


def test_a_body_that_comes_in_chunks_is_read_as_ever(account, caller):
    token = caller.sign_in()["refresh_token"]
    form = f"grant_type=refresh_token&refresh_token={token}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", HEADER: "duplicate"}
    statuses = [
        httpx.post(
            f"{account.url}/oauth/token",
            content=iter(chunks),
            auth=account.basic,
            headers=headers,
        ).status_code
        for chunks in ([form[:20], form[20:]], [b"a" * 70_000])
    ]
    assert statuses == [200, 413]


# --- time -----------------------------------------------------------------------------------------


def test_an_hour_later_the_access_token_is_over_and_the_session_is_not(server, caller):
    tokens = caller.sign_in()
    assert caller.is_active(tokens["access_token"])
    advance(server, HOUR)
    assert not caller.is_active(tokens["access_token"])
    answer = caller.refresh(tokens["refresh_token"])
    assert answer.status == 200
    assert caller.is_active(answer.body["access_token"])


def test_a_month_later_the_session_is_over_and_the_server_is_ready(server, caller):
    token = caller.sign_in()["refresh_token"]
    advance(server, 31 * DAY)
    answer = caller.refresh(token)
    assert (answer.status, answer.body["reason"]) == (400, "session_idle")
    assert server.ready()


def test_other_processes_keep_the_systems_time(server):
    advance(server, HOUR)
    offset = httpx.get(f"{server.url}/dev/clock").json()["offset"]
    assert offset >= HOUR
    with beside(server) as run:
        ahead = httpx.get(f"{server.url}/dev/clock").json()["now"] - run.now() / 1000
    assert abs(ahead - offset) < HOUR / 2


# --- several workers ------------------------------------------------------------------------------


@contextlib.contextmanager
def only(server, worker):
    """The other workers stand still: what is asked is answered by this one."""
    others = [pid for pid in server.worker_pids() if pid != worker]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


def test_clock_and_plans_are_the_same_in_every_worker(server, account):
    one, other = server.worker_pids()
    caller = Caller(account)
    with only(server, one):
        httpx.post(f"{server.url}/dev/clock", json={"reset": True})
        advance(server, HOUR)
        order(account, "503", times=2)
    with only(server, other):
        assert httpx.get(f"{server.url}/dev/clock").json()["offset"] == HOUR
        assert caller.refresh("any").status == 503
        caller.close()
    with only(server, one):
        assert [caller.refresh("any").status for _ in range(2)] == [503, 400]
        caller.close()
        assert httpx.get(f"{server.url}/dev/chaos").json() == {"faults": []}
