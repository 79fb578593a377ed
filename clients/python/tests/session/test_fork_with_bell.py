"""Survives forks."""

import contextlib
import threading

import pytest

from clients.python.tests.session.test_forks import in_child
from clients.python.tests.session.world import SECONDS
from perennial import SessionError


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_hears_its_own_events(party):
    inside, go = threading.Event(), threading.Event()

    def slow(event):
        inside.set()
        go.wait(SECONDS)

    session = party.session(on_event=slow)
    body = {"access_token": "a", "refresh_token": "r", "token_type": "Bearer", "expires_in": 900}
    thread = threading.Thread(target=session.adopt, args=(body,))
    thread.start()
    assert inside.wait(SECONDS)

    def child():
        go.set()
        told = []
        session.on("signed_out", told.append)
        with contextlib.suppress(SessionError):
            session.logout(revoke=False)
        raise SessionError(f"told {len(told)}")

    try:
        assert in_child(child) == "told 1"
    finally:
        go.set()
        thread.join(SECONDS)
