"""No token is where it could be read by others: logs, texts of errors, events, what `repr` says."""

import httpx
import pytest
import requests

from clients.python.tests.session.world import answer
from perennial.errors import SessionError
from perennial.httpx import SessionAuth
from perennial.messages import TransportError
from perennial.requests import SessionAuth as RequestsAuth
from perennial.session import Session
from perennial.stores.memory import MemoryStore


class Witness:
    """Writes down whatever a program could print."""

    def __init__(self):
        self.seen = []

    def __call__(self, *things):
        for thing in things:
            self.seen += [repr(thing), str(thing), repr(getattr(thing, "args", ""))]
            cause = getattr(thing, "__cause__", None) or getattr(thing, "__context__", None)
            if cause is not None:
                self(cause)


@pytest.fixture
def witness():
    return Witness()


@pytest.fixture
def session(office, witness):
    made = Session(
        issuer=office.url,
        client_id="app",
        client_secret="SECRET-of-the-client",
        store=MemoryStore(),
        transport=office.transport,
        clock=office.clock,
        on_event=witness,
        patience=0.05,
    )
    witness(made, made.server, made.server.client)
    return made


def test_what_goes_wrong_tells_no_token(office, session, witness, caplog):
    caplog.set_level("DEBUG")
    troubles = [
        [],
        [TransportError("reset")],
        [answer(b"<html>SECRET-access-0</html>", 502)],
        [answer({"error": "invalid_client", "error_description": "who?"}, 401)],
        [answer({"access_token": "SECRET\naccess", "token_type": "Bearer"})] * 3,
        [answer({"error": "invalid_grant", "reason": "SECRET-refresh-0"}, 400)],
    ]
    for trouble in troubles:
        session.sign_in_with_password("alice", "SECRET-password")
        witness(session, session.lease(), session.times, session._engine.book.held)
        office.clock.advance(900)
        office.server.plan.extend(trouble)
        try:
            witness(session.lease())
        except SessionError as error:
            witness(error)
        session.close()
        office.server.plan.clear()
    url, pending = session.authorization_request("https://app.example.com/cb")
    witness(pending)
    assert pending.verifier not in url
    session.logout()
    everything = "\n".join(witness.seen) + caplog.text
    assert "SECRET" not in everything
    assert pending.verifier not in everything


def test_what_requests_go_through_tells_no_token(office, session, witness, caplog):
    caplog.set_level("DEBUG")
    session.sign_in_with_password("alice", "SECRET-password")
    with httpx.Client(auth=SessionAuth(session), trust_env=False) as client:
        office.api.revoke()
        witness(client.get(f"{office.url}/me"), client.auth)
        office.api.routes["/never"] = office.api.never
        for _ in range(7):
            witness(client.get(f"{office.url}/never"))
    with requests.Session() as client:
        client.trust_env = False
        witness(client.get(f"{office.url}/me", auth=RequestsAuth(session), timeout=10))
    office.clock.advance(900)
    office.server.ended = "session_reused"
    for auth in SessionAuth(session), RequestsAuth(session):
        library = httpx if isinstance(auth, httpx.Auth) else requests
        with pytest.raises(SessionError) as refusal:
            library.get(f"{office.url}/me", auth=auth, timeout=10)
        witness(refusal.value, auth)
    assert len(witness.seen) > 60
    assert "SECRET" not in "\n".join(witness.seen) + caplog.text
