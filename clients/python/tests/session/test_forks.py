"""Processes that fork."""

import os
import signal
import threading
from contextlib import suppress

import pytest

from clients.python.tests.session.world import SECONDS
from clients.python.tests.stores.processes import forked_untraced
from perennial.errors import SessionError


def in_child(work):
    """The text of the error that `work` ends with in a forked child."""
    reading, writing = os.pipe()
    child = forked_untraced()
    if not child:
        signal.alarm(SECONDS)  # a child that waits for a thread it lacks does so for ever
        with suppress(BaseException):
            try:
                work()
            except SessionError as error:
                os.write(writing, str(error).encode())
        os._exit(0)
    os.close(writing)
    text = os.read(reading, 1000).decode()
    os.close(reading)
    os.waitpid(child, 0)
    return text


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_refresh_does_not_wait_for_a_thread_it_lacks(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.gate.clear()
    flight = session._engine.look(SECONDS)
    session._engine._hangar.mutex.acquire()
    try:
        error = in_child(lambda: session.token(timeout=0.1))
    finally:
        session._engine._hangar.mutex.release()
        party.server.gate.set()
    assert "FileStore" in error, "the child tried by itself"
    assert flight.wait(SECONDS).record.access_token == "a1"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_copy_in_memory_does_not_refresh(party):
    session = party.signed_in()
    party.clock.advance(900)
    assert "FileStore" in in_child(lambda: session.token(timeout=0.1))
    assert session.token() == "a1"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_while_somebody_is_told_an_event_leaves_the_child_its_own_events(party):
    session = party.session()
    telling, told = threading.Event(), threading.Event()

    def slow(_):
        telling.set()
        assert told.wait(SECONDS)

    session.on("signed_in", slow)
    parent = threading.Thread(
        target=lambda: session.sign_in_with_password("alice", "correct horse"), daemon=True
    )
    parent.start()
    assert telling.wait(SECONDS)

    def over():
        heard = []
        session.on("signed_out", heard.append)
        session._engine.book.sign_out(session._engine.book.record, "user")
        session._bell.ring()
        assert heard
        raise SessionError("heard")

    session._bell._mutex.acquire()
    try:
        heard = in_child(over)
    finally:
        session._bell._mutex.release()
        told.set()
    parent.join(SECONDS)
    assert heard == "heard"
