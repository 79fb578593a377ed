"""Clocks that jump, sleep, or disagree with the server's."""

import pytest

from clients.python.tests.session.world import START, answer


def test_a_clock_that_is_set_back_does_not_make_a_token_live_longer(party):
    session = party.signed_in()
    party.clock.advance(500)
    party.clock.jump(-3600)
    party.clock.advance(400)
    assert session.token() == "a1"


def test_a_machine_that_slept_without_its_monotonic_clock_refreshes(party):
    session = party.signed_in()
    party.clock.jump(1800)
    assert session.token() == "a1"


def test_a_clock_that_is_set_forward_costs_one_refresh(party):
    session = party.signed_in()
    party.clock.jump(3600)
    assert [session.token() for _ in range(5)] == ["a1"] * 5
    party.clock.jump(-3600)
    assert [session.token() for _ in range(5)] == ["a1"] * 5


def test_a_token_from_the_future_is_fetched_anew_once(party):
    """The clock was set back while the program did not run."""
    party.signed_in()
    party.clock.jump(-3600)
    session = party.session()
    assert [session.token() for _ in range(5)] == ["a1"] * 5


@pytest.mark.parametrize("ahead", [0, 3600, -3600])
def test_the_exp_of_a_token_is_by_the_servers_clock(party, ahead):
    import base64
    import json
    from email.utils import formatdate

    claims = base64.urlsafe_b64encode(json.dumps({"exp": START + ahead + 600}).encode()).decode()
    token = f"x.{claims.rstrip('=')}.y"
    party.server.plan.append(
        answer({"access_token": token, "refresh_token": "r0"}, date=formatdate(START + ahead))
    )
    session = party.signed_in()
    assert round(session.times.access_token_left) == 600


def test_without_any_expiry_a_token_is_used_until_it_is_refused(party):
    party.server.lifetime = None
    session = party.signed_in()
    party.clock.advance(10**6)
    assert session.token() == "a0"
    assert session.renew(session.lease()).access_token == "a1"


def test_the_end_of_the_session_itself_is_announced_once(party):
    party.server.ends_at = START + 1000
    session = party.signed_in()
    party.clock.advance(699)
    session.token()
    party.settled(session)
    assert not party.told("session_expiring")
    party.clock.advance(1)
    session.token()
    session.token()
    (event,) = party.told("session_expiring")
    assert event.seconds_left == 300


def test_an_end_that_was_put_off_is_announced_when_it_comes(party):
    party.server.ends_at = START + 1000
    session = party.signed_in()
    party.clock.advance(700)
    session.token()
    party.settled(session)
    party.server.ends_at = START + 5000
    party.clock.advance(900)
    session.token()
    assert len(party.told("session_expiring")) == 1
    party.clock.advance(3200)
    session.token()
    session.token()
    assert [event.seconds_left for event in party.told("session_expiring")] == [300, 200]


def test_a_clock_that_was_wrong_for_a_moment_does_not_use_up_the_announcement(party):
    session = party.signed_in()
    for jump in (1, -1):
        party.clock.jump(jump * 30 * 86_400)
        session.token()
        party.settled(session)
    party.clock.advance(30 * 86_400 - 100)
    session.token()
    assert party.told("session_expiring")[-1].seconds_left == 100


@pytest.mark.parametrize("seconds", [-4, 4])
def test_a_clock_that_is_corrected_by_seconds_costs_nothing(party, seconds):
    session = party.signed_in()
    party.clock.jump(seconds)
    assert session.token() == "a0"
    assert party.session().token() == "a0"
    assert party.server.refreshes == []
