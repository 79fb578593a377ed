"""What happens while nobody asks for a token."""

import pytest

from clients.python.tests.session.world import Party, until
from perennial.book import State
from perennial.errors import OfflineError
from perennial.messages import TransportError


@pytest.fixture
def kept(party):
    """A session that a thread looks after; it looks when the clock is moved."""
    session = party.signed_in()
    party.clock.pauses.clear()
    with session.keep_fresh():
        party.clock.wait_for_pause()
        yield session
    party.clock.advance(1000)


def looked(party):
    """Wait until it has looked once more."""
    before = len(party.clock.pauses)
    party.clock.advance(20)
    party.clock.wait_for_pause(before + 1)


def test_the_next_token_is_fetched_before_anybody_needs_it(party, kept):
    party.clock.advance(590)
    looked(party)
    until(lambda: party.server.refreshes)
    party.settled(kept)
    assert kept.times.access_token_left > 800
    assert kept.token() == "a1"
    assert len(party.server.refreshes) == 1


def test_a_sign_out_elsewhere_is_seen(party, kept):
    party.session().logout()
    looked(party)
    until(lambda: kept.state is State.SIGNED_OUT)
    assert [event.initiator for event in party.told("signed_out")] == ["user", "sibling"]


def test_a_sign_in_elsewhere_is_seen(party, kept):
    kept.logout()
    party.session().adopt({"access_token": "b", "token_type": "Bearer", "expires_in": 900})
    looked(party)
    until(lambda: kept.state is State.ACTIVE)


def test_it_comes_back_when_the_network_does(party, kept):
    party.server.away = True
    party.clock.advance(900)
    with pytest.raises(OfflineError):
        kept.token(timeout=0.05)
    party.settled(kept)
    party.server.away = False
    assert kept.state is State.OFFLINE
    looked(party)
    until(lambda: kept.state is State.ACTIVE)


def test_the_end_of_a_session_is_announced_though_nobody_asks(party):
    party.server.ends_at = party.clock.wall() + 310
    session = party.signed_in()
    party.clock.pauses.clear()
    with session.keep_fresh():
        party.clock.wait_for_pause()
        looked(party)
        until(lambda: party.told("session_expiring"))
    party.clock.advance(1000)


def test_tokens_of_a_few_seconds_are_looked_after_in_time():
    party = Party(lifetime=10)
    session = party.signed_in()
    with session.keep_fresh():
        party.clock.wait_for_pause()
        assert 0.9 <= party.clock.pauses[-1] <= 1.1
    party.clock.advance(1000)


def test_nothing_is_fetched_for_a_session_that_is_over(party, kept):
    kept.logout()
    asked = len(party.server.forms)
    looked(party)
    looked(party)
    assert len(party.server.forms) == asked


@pytest.mark.parametrize(("later", "refreshes"), [(0, 0), (599, 0), (601, 1), (10_000, 1)])
def test_coming_to_the_front_refreshes_only_when_it_is_time(party, later, refreshes):
    session = party.signed_in()
    party.clock.advance(later)
    session.wake()
    party.settled(session)
    assert len(party.server.refreshes) == refreshes


def test_waking_ends_the_pause_between_two_tries(party):
    session = party.signed_in()
    party.clock.advance(700)
    party.server.plan.append(TransportError("no route", reached=False))
    session.token()
    party.settled(session)
    session.wake()
    party.settled(session)
    assert session.token() == "a1"
