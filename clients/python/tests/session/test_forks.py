"""Processes that fork."""

import os
from contextlib import suppress

import pytest

from clients.python.tests.session.world import SECONDS
from perennial.errors import SessionError


def in_child(work):
    """The text of the error that `work` ends with in a forked child."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
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
    session._engine._mutex.acquire()
    try:
        error = in_child(lambda: session.token(timeout=0.1))
    finally:
        session._engine._mutex.release()
        party.server.gate.set()
    assert "FileStore" in error, "the child tried by itself"
    assert flight.wait(SECONDS).record.access_token == "a1"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_copy_in_memory_does_not_refresh(party):
    session = party.signed_in()
    party.clock.advance(900)
    assert "FileStore" in in_child(lambda: session.token(timeout=0.1))
    assert session.token() == "a1"
