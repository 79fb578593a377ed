"""`token(timeout)` waits at most so long."""

import threading


def test_waiting_as_long_as_it_takes_is_possible(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.gate.clear()
    threading.Timer(0.3, party.server.gate.set).start()
    assert session.token(timeout=float("inf")) == "a1"
