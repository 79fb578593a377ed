"""Logout ends what it says."""

import pytest

from clients.python.tests.session.world import SECONDS, answer, until
from perennial import SessionError


def test_a_logout_that_was_not_to_revoke_does_not_revoke_by_the_flight_that_it_beats(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.gate.clear()
    flight = session._engine.look(SECONDS)
    until(lambda: party.server.refreshes)
    session.logout(revoke=False)
    party.server.gate.set()
    with pytest.raises(SessionError):
        flight.wait(SECONDS)
    assert party.server.revoked == []


def test_a_session_that_a_sign_in_replaces_is_revoked(party):
    session = party.signed_in()
    party.server.plan.append(
        answer({"access_token": "b", "refresh_token": "b", "token_type": "Bearer"})
    )
    session.sign_in_with_password("bob", "correct horse")
    party.settled(session)
    assert party.server.revoked == ["r0"]
