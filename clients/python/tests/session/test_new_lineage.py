"""A token that is good now; who signs in is signed in for everybody who shares the store."""

import pytest

from perennial import SessionError


def _daemon_and_new_sign_in(party):
    daemon = party.signed_in()
    for _ in range(3):
        party.clock.advance(900)
        daemon.token()
    party.store._kept = None  # rm session.json
    cli = party.session()
    cli.adopt(
        {"access_token": "bob-1", "refresh_token": "r3", "token_type": "Bearer", "expires_in": 9000}
    )
    return daemon, cli


def test_a_process_with_an_older_session_in_memory_never_returns_an_expired_token(party):
    daemon, _ = _daemon_and_new_sign_in(party)
    party.clock.advance(901)
    assert daemon.token() != "a3", "expired a second ago"


def test_it_ends_with_the_person_who_is_signed_in_now(party):
    daemon, _ = _daemon_and_new_sign_in(party)
    party.clock.advance(901)
    assert {daemon.token() for _ in range(3)} == {"bob-1"}


def test_it_learns_of_a_sign_out_too(party):
    party.signed_in().logout()
    party.server.generation = 0
    daemon, cli = _daemon_and_new_sign_in(party)
    cli.logout()
    party.clock.advance(901)
    with pytest.raises(SessionError):
        daemon.token()
