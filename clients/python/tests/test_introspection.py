"""Asking the issuer whether a token still counts (RFC 7662)."""

from base64 import b64encode
from urllib.parse import parse_qs

import pytest

from clients.python.tests.party import ISSUER, JWKS, METADATA
from perennial.verify import InsufficientScope, Introspection, InvalidToken, Unavailable

PATH = "/oauth/introspect"
ASK = Introspection("api", "s3cr%t:ü", when="always")


@pytest.fixture
def asking(make):
    return make(introspection=ASK)


@pytest.fixture
def active(party):
    def answer(**members):
        party.answer(PATH, {"active": True, **members})

    answer()
    return answer


def test_the_question_is_the_one_of_the_standard(party, asking, active):
    token = party.token()
    assert asking.verify(token).subject == "ana"
    asked = party.asked[-1]
    assert asked.url == ISSUER + PATH
    assert parse_qs(asked.body.decode()) == {"token": [token], "token_type_hint": ["access_token"]}
    assert asked.headers["Authorization"] == "Basic " + b64encode(b"api:s3cr%25t%3A%C3%BC").decode()
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "answer", [{"active": False}, {}, {"active": "true"}, {"active": 1}, {"active": None}]
)
def test_a_token_that_does_not_count_is_refused(party, asking, reason, answer):
    party.answer(PATH, answer)
    assert reason(party.token(), asking) == "inactive"


@pytest.mark.parametrize("name", ["iss", "sub", "client_id", "jti"])
def test_an_answer_about_another_token_does_not_count(party, asking, active, reason, name):
    active(**party.claims())
    assert asking.verify(party.token()).subject == "ana"
    active(**party.claims(**{name: "other"}))
    assert reason(party.token(), asking) == "inactive"


@pytest.mark.parametrize("status", [204, 302, 400, 401, 403, 429, 500, 503])
def test_without_an_answer_nothing_can_be_said(party, asking, status):
    party.answer(PATH, {"active": True}, status=status)
    with pytest.raises(Unavailable) as refusal:
        asking.verify(party.token())
    assert refusal.value.what == "introspection"


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"x", b'{"active":true,"active":true}'])
def test_an_answer_that_makes_no_sense_is_none(party, asking, body):
    party.answer(PATH, body)
    with pytest.raises(Unavailable):
        asking.verify(party.token())


def test_every_call_asks_anew(party, asking, active, reason):
    token = party.token()
    assert asking.verify(token)
    party.answer(PATH, {"active": False})
    assert reason(token, asking) == "inactive"


def test_only_sensitive_calls_ask_unless_told_otherwise(party, make, active):
    verifier = make(introspection=Introspection("api", "x"))
    verifier.verify(party.token())
    assert party.count(PATH) == 0
    verifier.verify(party.token(), sensitive=True)
    assert party.count(PATH) == 1
    with pytest.raises(ValueError, match="sensitive"):
        make().verify(party.token(), sensitive=True)


def test_a_token_that_is_no_good_is_not_asked_about(party, clock, asking, active):
    old = party.token()
    clock.advance(900)
    for token in (old, "a.b.c", party.token(aud="https://other.example")):
        with pytest.raises(InvalidToken):
            asking.verify(token)
    assert party.count(PATH) == 0


def test_a_token_that_is_over_is_called_that_whatever_its_scope(party, asking, active):
    with pytest.raises(InsufficientScope):
        asking.verify(party.token(), scope="admin")
    party.answer(PATH, {"active": False})
    with pytest.raises(InvalidToken):
        asking.verify(party.token(), scope="admin")


def test_the_endpoint_may_be_given(party, make):
    party.answer("/check", {"active": True})
    how = Introspection("api", "x", when="always", endpoint=ISSUER + "/check")
    assert make(introspection=how).verify(party.token())
    for endpoint in ("http://id.example.com/check", ""):
        with pytest.raises(ValueError, match="https"):
            Introspection("api", "x", endpoint=endpoint)


@pytest.mark.parametrize("endpoint", [None, "http://id.example.com/x", 1])
def test_an_issuer_without_a_safe_endpoint_cannot_be_asked(party, asking, endpoint):
    party.announce(introspection_endpoint=endpoint)
    with pytest.raises(Unavailable):
        asking.verify(party.token())
    assert all(request.body is None for request in party.asked)


def test_an_issuer_that_is_away_cannot_be_asked(party, make):
    verifier = make(introspection=ASK, jwks_uri=ISSUER + JWKS)
    del party.routes[METADATA]
    with pytest.raises(Unavailable) as refusal:
        verifier.verify(party.token())
    assert refusal.value.what == "introspection"


def test_the_log_says_why_and_nothing_about_the_token(party, asking, caplog):
    party.answer(PATH, {}, status=401)
    token = party.token()
    with pytest.raises(Unavailable):
        asking.verify(token)
    assert caplog.messages == [
        "the issuer could not be asked about a token: TransportError: status 401"
    ]


def test_an_error_that_quotes_the_token_is_logged_by_its_name(party, make, caplog):
    def careless(request):
        if request.body:
            raise LookupError(request.body, request.headers)
        return party(request)

    with pytest.raises(Unavailable):
        make(introspection=ASK, transport=careless).verify(party.token())
    assert caplog.messages == ["the issuer could not be asked about a token: LookupError"]


def test_the_secret_is_not_shown():
    assert "s3cr" not in repr(ASK)
    with pytest.raises(ValueError, match="when"):
        Introspection("api", "x", when="never")
