"""Refreshes silently."""

import contextlib
import threading

from clients.python.tests.session.world import SECONDS
from perennial import SessionError


def test_a_prompt_that_nobody_answers_does_not_stop_the_refresh_of_who_signed_in_elsewhere(party):
    asked, never = threading.Event(), threading.Event()

    def prompt(reason, session):
        asked.set()
        never.wait(SECONDS)
        return "declined"

    session = party.signed_in(reauthenticators=[prompt])
    party.server.ended = "session_idle"
    party.clock.advance(900)

    def call():
        with contextlib.suppress(SessionError):
            session.token(timeout=0.5)

    caller = threading.Thread(target=call)
    caller.start()
    assert asked.wait(SECONDS)
    party.server.ended, party.server.generation = None, 0
    session.sign_in_with_password("alice", "correct horse")
    assert session.token() == "a0"
    party.clock.advance(900)
    try:
        assert session.token(timeout=1) == "a1"
    finally:
        never.set()
        caller.join(SECONDS)
