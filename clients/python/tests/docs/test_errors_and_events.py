"""docs/client/errors-and-events.md: every error and event, met, and what the page says of it."""

import logging
import re
import threading

import httpx
import pytest

import perennial
from clients.python.tests.docs.pages import run
from perennial import FileStore, Session, State, errors, events
from perennial.httpx import SessionAuth
from tests.guides import DOCS

PAGE = "client/errors-and-events.md"
TEXT = (DOCS / PAGE).read_text()
KEPT, OVER = "active", "over"


def rows(heading):
    """The first cell of each row, without the code marks."""
    table = TEXT.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    return {
        name
        for line in table.splitlines()[2:]
        for name in re.findall("`(.*?)`", line.split("|")[1])
    }


def kinds(base):
    return {each for kind in base.__subclasses__() for each in {kind, *kinds(kind)}}


@pytest.fixture
def advice():
    return run(PAGE, {}, 0)["advice"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "session.json"


@pytest.fixture
def session(server, path):
    made = Session(issuer=server.url, client_id="conformance", store=FileStore(path))
    made.sign_in_with_password("ana", "correct horse")
    return made


def test_every_error_has_its_row():
    public = [kind for kind in kinds(errors.SessionError) if kind.__module__ == errors.__name__]
    known = {kind.__name__ for kind in public}
    assert rows("error") == known - {"Unreachable"}
    assert known <= set(perennial.__all__)


def test_every_event_has_its_row():
    assert rows("event") == {kind.name for kind in kinds(events.Event)}


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ("drop_before_commit", "OfflineError", "try again later"),
        ("429", "ServerBusyError", "try again later"),
        ("500_before", "ServerBusyError", "try again later"),
        ("html_200", "ProtocolError", "try again later"),
        ("invalid_client", "ConfigError", "call whoever runs this program"),
    ],
)
def test_what_keeps_the_session(session, server, advice, fault, kind, said):
    lease = session.lease()
    server.fault(fault, times=100)
    with pytest.raises(errors.SessionError) as caught:
        session.renew(lease, timeout=0.3)
    assert (type(caught.value).__name__, advice(caught.value)) == (kind, said)
    server.clear_faults()
    session.wake()
    assert session.token()


@pytest.mark.parametrize("reason", ["session_idle", "session_expired", "session_ended", None])
def test_what_ends_it(session, server, advice, reason):
    lease = session.lease()
    server.fault("invalid_grant", **({"reason": reason} if reason else {}))
    with pytest.raises(errors.ReauthRequired) as caught:
        session.renew(lease)
    assert caught.value.reason == session.reason == (reason or "unknown")
    assert advice(caught.value) == "sign in"
    assert session.state is State.REAUTH_REQUIRED


def test_who_signed_out(session, server, path):
    sibling = Session(issuer=server.url, client_id="conformance", store=FileStore(path))
    for initiator, asking in {"user": session, "sibling": sibling}.items():
        session.logout()
        with pytest.raises(errors.SignedOut, match=initiator):
            asking.token()
    with pytest.raises(errors.SignedOut, match="nobody"):
        Session(issuer=server.url, client_id="conformance").token()


def test_a_chain_that_brings_nobody_back_signs_out(server):
    session = Session(
        issuer=server.url, client_id="conformance", reauthenticators=[lambda *_: "declined"]
    )
    session.sign_in_with_password("ana", "correct horse")
    lease = session.lease()
    server.revoke()
    with pytest.raises(errors.SignedOut, match="server"):
        session.renew(lease)


def test_an_api_that_refuses_every_token(session, server, advice):
    for _ in range(5):
        session.renew(session.lease())
    with pytest.raises(errors.RefreshLoopError) as caught:
        session.renew(session.lease())
    assert advice(caught.value) == "call whoever runs this program"
    with httpx.Client(auth=SessionAuth(session)) as api:
        answer = api.get(f"{server.url}/api/always401")
    assert (answer.status_code, answer.extensions["perennial_replayed"]) == (401, False)
    assert session.token()


def test_a_store_that_cannot_be_read(session, server, path, advice):
    path.unlink()
    path.mkdir()
    with pytest.raises(errors.StorageError) as caught:
        Session(issuer=server.url, client_id="conformance", store=FileStore(path)).token(
            timeout=0.3
        )
    assert advice(caught.value) == "try again later"
    assert session.token(), "it is kept in memory"


def test_a_wrong_password_leaves_the_session_as_it_was(session):
    before = session.token()
    with pytest.raises(errors.SignInError) as caught:
        session.sign_in_with_password("ana", "wrong")
    assert caught.value.code == "invalid_grant"
    assert session.token() == before


def test_listeners_hear_of_everything_and_of_one_thing(server, names, caplog):
    caplog.set_level(logging.INFO, "films")
    session, told = run(PAGE, names, 1)["session"], threading.Event()
    session.on("signed_out", lambda _: told.set())
    session.sign_in_with_password("ana", "correct horse")
    lease = session.lease()
    server.revoke()
    with pytest.raises(errors.ReauthRequired):
        session.renew(lease)
    session.logout()
    assert told.wait(30)
    said = [record.getMessage() for record in caplog.records if record.name == "films"]
    assert said == [
        "SignedIn()",
        "over: session_ended",
        "SignedOut(initiator='user')",
        "goodbye",
    ]
