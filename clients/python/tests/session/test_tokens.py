"""What a caller gets: at once, after a wait, or an error that says what became of the session."""

import pytest

from clients.python.tests.session.world import Party, answer, until
from perennial.book import State
from perennial.errors import (
    ConfigError,
    OfflineError,
    ProtocolError,
    ReauthRequired,
    ServerBusyError,
    SignedOut,
)
from perennial.messages import TooLongError, TransportError


def test_a_fresh_token_is_given_without_asking(party):
    session = party.signed_in()
    assert [session.token() for _ in range(3)] == ["a0"] * 3
    assert party.server.refreshes == []
    assert session.state is State.ACTIVE


def test_five_minutes_before_the_end_the_old_one_is_given_and_the_next_one_fetched(party):
    session = party.signed_in()
    party.clock.advance(599)
    assert session.token() == "a0"
    party.settled(session)
    assert party.server.refreshes == []
    party.clock.advance(1)
    party.server.gate.clear()
    assert session.token() == "a0"
    party.server.gate.set()
    party.settled(session)
    assert session.token() == "a1"
    assert len(party.server.refreshes) == 1


def test_a_short_lived_token_is_used_for_half_its_life():
    party = Party(lifetime=10)
    session = party.signed_in()
    party.clock.advance(4.9)
    assert session.token() == "a0"
    assert party.settled(session).token() == "a0"
    party.clock.advance(0.1)
    session.token()
    assert party.settled(session).token() == "a1"


def test_an_expired_token_is_waited_for(party):
    session = party.signed_in()
    party.clock.advance(900)
    assert session.token() == "a1"
    (form,) = party.server.refreshes
    assert form == {"grant_type": "refresh_token", "refresh_token": "r0", "client_id": "app"}


def test_a_lost_answer_is_asked_for_again_with_the_same_token_and_key(party):
    session = party.signed_in()
    party.server.plan.append(party.server.lose_the_answer)
    party.clock.advance(900)
    assert session.token() == "a1"
    assert [form["refresh_token"] for form in party.server.refreshes] == ["r0", "r0"]
    first, second = party.server.keys[1:]
    assert first == second
    assert first is not None


def test_every_refresh_has_a_key_of_its_own(party):
    session = party.signed_in()
    for _ in range(3):
        party.clock.advance(900)
        session.token()
    assert len(set(party.server.keys[1:])) == 3


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (TransportError("no route", reached=False), OfflineError),
        (answer(b"<html>", 502), ServerBusyError),
        (answer({"error": "temporarily_unavailable"}, 503), ServerBusyError),
        (answer(b"<html>log in to the hotel</html>"), ProtocolError),
        (answer({"error": "no"}, 418), ProtocolError),
        (answer({"access_token": ""}), ProtocolError),
        (TooLongError("too long"), ProtocolError),
    ],
)
def test_what_settles_nothing_keeps_the_session(party, trouble, error):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.plan.extend([trouble] * 50)
    with pytest.raises(error):
        session.token(timeout=0.05)
    party.settled(session)
    assert session.state is State.OFFLINE
    assert party.told("offline")
    party.server.plan.clear()
    party.clock.advance(1)
    assert session.token() == "a1"
    assert session.state is State.ACTIVE
    until(lambda: party.told("online"))


def test_while_the_old_token_is_good_trouble_is_not_felt(party):
    session = party.signed_in()
    party.clock.advance(895)
    party.server.plan.extend([TransportError("no route", reached=False)] * 3)
    assert session.token() == "a0"
    assert session.state is State.ACTIVE


def test_what_is_wrong_with_the_client_is_not_its_persons_fault(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.plan.append(answer({"error": "invalid_client"}, 401))
    with pytest.raises(ConfigError) as refusal:
        session.token()
    assert refusal.value.code == "invalid_client"
    assert session.token() == "a1", "it was kept"


@pytest.mark.parametrize(
    ("said", "reason"), [("session_idle", "session_idle"), ("no such", "unknown"), (7, "unknown")]
)
def test_only_invalid_grant_ends_the_session_and_says_why(party, said, reason):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.ended = said
    with pytest.raises(ReauthRequired) as refusal:
        session.token()
    assert refusal.value.reason == session.reason == reason
    assert session.state is State.REAUTH_REQUIRED
    with pytest.raises(ReauthRequired):
        session.token()
    assert len(party.told("reauth_required")) == 1
    assert len(party.server.refreshes) == 1, "a dead token is not tried again"


def test_nobody_is_signed_in_at_first(party):
    session = party.session()
    assert session.state is State.RESTORING
    with pytest.raises(SignedOut) as refusal:
        session.token()
    assert refusal.value.initiator == "nobody"
    assert session.state is State.SIGNED_OUT


def test_a_session_is_found_again_after_a_relaunch(party):
    party.signed_in()
    session = party.session()
    assert session.token() == "a0"
    assert [event.name for event in party.events] == ["signed_in", "restored"]
    assert party.server.refreshes == []


def test_a_server_that_does_not_rotate_is_served_as_well():
    party = Party(rotates=False)
    session = party.signed_in()
    for _ in range(3):
        party.clock.advance(900)
        session.token()
    assert [form["refresh_token"] for form in party.server.refreshes] == ["r0"] * 3


def test_an_empty_refresh_token_is_none(party):
    session = party.signed_in()
    tokens = party.server.tokens
    party.server.tokens = lambda: {**tokens(), "access_token": "new", "refresh_token": ""}
    for _ in range(2):
        party.clock.advance(900)
        assert session.token() == "new"
        party.server.generation = 0
    assert [form["refresh_token"] for form in party.server.refreshes] == ["r0", "r0"]


def test_a_server_that_asks_to_wait_is_left_alone(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.plan.append(answer({}, 429, **{"retry-after": "60"}))
    with pytest.raises(ServerBusyError) as refusal:
        session.token(timeout=5)
    assert refusal.value.retry_after == 60
    for _ in range(3):
        with pytest.raises(ServerBusyError):
            session.token(timeout=5)
    assert len(party.server.refreshes) == 1
    assert party.clock.pauses == [], "nobody is kept who cannot be served in time"
    party.clock.advance(60)
    assert session.token() == "a1"
