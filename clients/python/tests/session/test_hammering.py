"""Backoff with full jitter."""

import pytest

from clients.python.tests.session.world import answer
from perennial import SessionError


def test_a_refusal_of_the_client_is_not_repeated_by_every_call(party):
    session = party.signed_in()
    party.server.plan.extend(answer({"error": "invalid_client"}, 401) for _ in range(100))
    party.clock.advance(700)  # stale, and good for 200 s
    for _ in range(50):
        assert session.token() == "a0"
        party.settled(session)
    assert len(party.server.refreshes) <= 3


def test_a_transport_that_raises_something_else_is_not_called_by_every_call(party):
    session = party.signed_in()
    party.server.plan.extend(RuntimeError("of httpx") for _ in range(100))
    party.clock.advance(700)
    for _ in range(50):
        assert session.token() == "a0"
        party.settled(session)
    assert len(party.server.refreshes) <= 3


def test_short_patience_does_not_do_away_with_the_backoff(party):
    session = party.signed_in()
    party.server.plan.extend(answer({}, 500) for _ in range(1000))
    party.clock.advance(900)
    for _ in range(50):
        with pytest.raises(SessionError):
            session.token(timeout=0.005)
        party.settled(session)
    assert len(party.server.refreshes) <= 10, "no time has passed"


def test_pauses_grow_while_an_old_token_is_still_good(party, monkeypatch):
    monkeypatch.setattr("perennial.retry.jitter", lambda: 1.0)
    session = party.signed_in()
    party.server.plan.extend(answer({}, 500) for _ in range(1000))
    party.clock.advance(650)
    for _ in range(200):
        party.clock.advance(1)
        assert session.token() == "a0"
        party.settled(session)
    assert 5 <= len(party.server.refreshes) <= 12
