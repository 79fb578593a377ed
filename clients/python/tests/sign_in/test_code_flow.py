"""The authorization code grant: what goes through the browser, and what may come back."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from clients.python.tests.session.world import ISSUER, answer
from perennial.book import State
from perennial.code_flow import Pending
from perennial.errors import ConfigError, OfflineError, ProtocolError, ServerBusyError, SignInError
from perennial.messages import TransportError

HOME = "https://app.example.com/cb"


def query(url):
    pairs = parse_qsl(urlsplit(url).query, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def back(pending, **said):
    said = {"code": "c0de", "state": pending.state, "iss": ISSUER, **said}
    return f"{HOME}?{urlencode({name: value for name, value in said.items() if value})}"


def test_the_browser_is_sent_with_a_challenge_and_a_state(session):
    url, pending = session.authorization_request(HOME, prompt="login", login_hint="alice")
    asked = query(url)
    digest = urlsafe_b64encode(sha256(pending.verifier.encode()).digest()).rstrip(b"=").decode()
    assert url.startswith(f"{ISSUER}/authorize?")
    assert asked == {
        "client_id": "app",
        "response_type": "code",
        "redirect_uri": HOME,
        "state": pending.state,
        "code_challenge": digest,
        "code_challenge_method": "S256",
        "scope": "films:read",
        "prompt": "login",
        "login_hint": "alice",
    }
    assert 43 <= len(pending.verifier) <= 128, "RFC 7636 §4.1"
    assert pending.verifier not in url


def test_no_two_sign_ins_are_alike(session):
    made = [session.authorization_request(HOME)[1] for _ in range(20)]
    assert len({each.state for each in made} | {each.verifier for each in made}) == 40


def test_the_code_is_redeemed_with_the_verifier(session, party):
    _, pending = session.authorization_request(HOME)
    session.finish_sign_in(pending, back(pending))
    assert party.server.forms == [
        {
            "grant_type": "authorization_code",
            "code": "c0de",
            "redirect_uri": HOME,
            "code_verifier": pending.verifier,
            "client_id": "app",
        }
    ]
    assert session.state is State.ACTIVE
    assert session.token() == "a0"


def test_a_sign_in_outlives_the_process_that_began_it(session, party):
    _, pending = session.authorization_request(HOME)
    found = Pending.from_json(pending.to_json())
    assert found == pending
    party.session().finish_sign_in(found, back(found))
    assert party.server.forms[0]["code_verifier"] == pending.verifier


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"state": "x"}'])
def test_what_never_began_is_not_read(text):
    with pytest.raises(ValueError, match="begun"):
        Pending.from_json(text)


def test_what_is_pending_shows_no_secret(session):
    _, pending = session.authorization_request(HOME)
    assert pending.state not in repr(pending)
    assert pending.verifier not in repr(pending)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"state": "other"}, "state_mismatch"),
        ({"state": None}, "state_mismatch"),
        ({"state": "ä"}, "state_mismatch"),
        ({"state": "other", "error": "access_denied"}, "state_mismatch"),
        ({"iss": "https://evil.example.com"}, "issuer_mismatch"),
        ({"iss": ISSUER + "/"}, "issuer_mismatch"),
        ({"iss": None}, "issuer_mismatch"),
        ({"iss": "https://evil.example.com", "error": "access_denied"}, "issuer_mismatch"),
        ({"error": "access_denied", "error_description": "no"}, "access_denied"),
        ({"code": None}, "invalid_answer"),
    ],
)
def test_only_the_answer_to_this_request_by_this_server_is_taken(session, party, said, code):
    _, pending = session.authorization_request(HOME)
    with pytest.raises(SignInError) as refusal:
        session.finish_sign_in(pending, back(pending, **said))
    assert refusal.value.code == code
    assert party.server.forms == []
    assert session.state is State.RESTORING


def test_a_parameter_that_is_there_twice_is_no_answer(session, party):
    _, pending = session.authorization_request(HOME)
    with pytest.raises(SignInError, match="twice"):
        session.finish_sign_in(pending, back(pending) + "&code=other")
    assert party.server.forms == []


def test_a_server_that_never_names_itself_is_understood(session, party):
    del party.server.metadata["authorization_response_iss_parameter_supported"]
    _, pending = session.authorization_request(HOME)
    session.finish_sign_in(pending, back(pending, iss=None))
    assert session.token() == "a0"


@pytest.mark.parametrize("other", [{"client_id": "other"}, {"issuer": "https://b.example.com"}])
def test_what_began_at_another_server_or_client_does_not_end_here(session, party, other):
    _, pending = session.authorization_request(HOME)
    with pytest.raises(SignInError) as refusal:
        party.session(**other).finish_sign_in(pending, back(pending))
    assert refusal.value.code == "issuer_mismatch"
    assert party.server.forms == []


def test_a_code_is_never_redeemed_twice(session, party):
    party.server.plan.append(TransportError("reset"))
    _, pending = session.authorization_request(HOME)
    with pytest.raises(OfflineError):
        session.finish_sign_in(pending, back(pending))
    assert len(party.server.forms) == 1, "the server would take it for theft"


def test_a_server_that_takes_the_request_in_advance_gets_it(session, party):
    party.server.push()
    url, pending = session.authorization_request(HOME)
    assert query(url) == {"client_id": "app", "request_uri": "urn:r:1"}
    (pushed,) = party.server.pushed
    assert pushed["client_id"] == "app"
    assert pushed["state"] == pending.state
    assert pushed["scope"] == "films:read"
    session.finish_sign_in(pending, back(pending))
    assert session.token() == "a0"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (answer({"error": "invalid_scope"}, 400), SignInError),
        (answer({}, 503), ServerBusyError),
        (answer(b"<html>", 200), ProtocolError),
        (answer({}, 201), ProtocolError),
        (answer({"access_token": "a"}, 200), ProtocolError),
    ],
)
def test_a_request_that_was_not_taken_leads_nowhere(session, party, said, error):
    party.server.push()
    party.server.par = said
    with pytest.raises(error):
        session.authorization_request(HOME)


def test_a_server_without_pages_has_no_browser_flow(session, party):
    del party.server.metadata["authorization_endpoint"]
    with pytest.raises(ConfigError):
        session.authorization_request(HOME)
