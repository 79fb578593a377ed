"""Logout beats a flight in progress."""

import contextlib
import threading

import pytest

from clients.python.tests.session.world import SECONDS, answer
from perennial import SessionError, State


def test_a_logout_is_not_undone_by_a_silent_sign_in_that_was_on_its_way(party):
    on_its_way, go = threading.Event(), threading.Event()

    def silent(reason, session):
        def slow(form):
            on_its_way.set()
            assert go.wait(SECONDS)
            party.server.ended, party.server.generation = None, 0
            return answer(party.server.tokens())

        party.server.plan.append(slow)
        session.sign_in_with_password("alice", "from the keyring")
        return "ok"

    session = party.signed_in(reauthenticators=[silent])
    party.server.ended = "session_idle"
    party.clock.advance(900)

    def call():
        with contextlib.suppress(SessionError):
            session.token()

    caller = threading.Thread(target=call)
    caller.start()
    assert on_its_way.wait(SECONDS)
    session.logout()
    assert session.state is State.SIGNED_OUT
    go.set()
    caller.join(SECONDS)
    assert session.state is State.SIGNED_OUT
    with pytest.raises(SessionError):
        session.token()
