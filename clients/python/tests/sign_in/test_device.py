"""Device codes: who waits, how long, and what ends it (RFC 8628)."""

import threading

import pytest

from clients.python.tests.session.world import answer
from clients.python.tests.sign_in.office import CODES, PENDING, SLOW_DOWN
from perennial.book import State
from perennial.errors import ConfigError, OfflineError, ProtocolError, SignInError
from perennial.messages import TransportError

LOST = TransportError("reset")


def test_the_code_is_shown_and_the_server_asked_until_the_person_decided(session, party):
    party.server.polls.extend([PENDING, PENDING])
    shown = []
    session.sign_in_with_device(shown.append)
    (code,) = shown
    assert (code.user_code, code.lifetime) == ("ABCD-EFGH", 600)
    assert code.verification_uri_complete.endswith("?user_code=ABCD-EFGH")
    assert "device-secret" not in repr(code)
    assert party.server.asked_for_codes == [{"scope": "films:read", "client_id": "app"}]
    assert (
        party.server.forms
        == [
            {
                "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
                "device_code": "device-secret",
                "client_id": "app",
            }
        ]
        * 3
    )
    assert party.clock.pauses == [5, 5, 5]
    assert session.token() == "a0"


@pytest.mark.parametrize(
    ("polls", "pauses"),
    [
        ([SLOW_DOWN, PENDING, SLOW_DOWN], [5, 10, 10, 15]),
        ([LOST, LOST, PENDING], [5, 10, 20, 20]),
        ([answer(b"<html>", 502), PENDING], [5, 10, 10]),
        ([answer({}, 503, **{"retry-after": "42"}), PENDING], [5, 42, 42]),
        ([answer({}, 503, **{"retry-after": "1"})], [5, 5]),
    ],
)
def test_the_server_is_asked_less_when_it_says_so_or_nothing(session, party, polls, pauses):
    party.server.polls.extend(polls)
    session.sign_in_with_device(lambda _: None)
    assert party.clock.pauses == pauses
    assert session.token() == "a0"


@pytest.mark.parametrize("code", ["access_denied", "expired_token", "invalid_grant"])
def test_a_decision_ends_it(session, party, code):
    party.server.polls.extend([PENDING, answer({"error": code}, 400)])
    with pytest.raises(SignInError) as refusal:
        session.sign_in_with_device(lambda _: None)
    assert refusal.value.code == code
    assert len(party.server.forms) == 2
    assert session.state is State.RESTORING


def test_nobody_waits_longer_than_the_code_is_good(session, party):
    party.server.codes = answer({**CODES, "expires_in": 12})
    party.server.polls.extend([PENDING] * 9)
    with pytest.raises(SignInError) as refusal:
        session.sign_in_with_device(lambda _: None)
    assert refusal.value.code == "expired_token"
    assert party.clock.pauses == [5, 5, 2]
    assert len(party.server.forms) == 2


def test_whoever_waits_may_give_up(session, party):
    cancelled = threading.Event()
    party.server.polls.extend([PENDING] * 9)
    with pytest.raises(SignInError) as refusal:
        session.sign_in_with_device(lambda _: cancelled.set(), cancelled=cancelled)
    assert refusal.value.code == "cancelled"
    assert party.server.forms == []


@pytest.mark.parametrize("said", [{"interval": 0}, {"interval": "x"}, {"interval": float("inf")}])
def test_an_interval_that_makes_no_sense_is_five_seconds(session, party, said):
    party.server.codes = answer({**CODES, **said})
    session.sign_in_with_device(lambda _: None)
    assert party.clock.pauses == [5]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (answer({"error": "invalid_scope"}, 400), SignInError),
        (answer({"error": "invalid_client"}, 401), SignInError),
        (answer(b"<html>"), ProtocolError),
        (answer({"device_code": "x"}), ProtocolError),
        (answer(b"<html>", 404), ProtocolError),
    ],
)
def test_without_a_code_nothing_is_shown(session, party, said, error):
    party.server.codes = said
    shown = []
    with pytest.raises(error):
        session.sign_in_with_device(shown.append)
    assert shown == []


def test_a_server_without_device_codes_says_so(session, party):
    del party.server.metadata["device_authorization_endpoint"]
    with pytest.raises(ConfigError):
        session.sign_in_with_device(lambda _: None)


def test_a_server_that_is_away_is_heard_before_anything_is_shown(session, party):
    session.server.endpoints()
    party.server.codes = None
    party.server.asked_for_codes = Away()
    with pytest.raises(OfflineError):
        session.sign_in_with_device(lambda _: None)


class Away:
    def append(self, _):
        raise LOST
