"""A 401 with `invalid_token` leads to another token, or to an error."""

import threading

from clients.python.tests.session.world import SECONDS, Party, answer, until
from perennial import SessionError


def test_a_refused_token_is_not_given_back_by_a_flight_that_is_ending():
    party = Party(replays=False)
    listening, go = threading.Event(), threading.Event()

    def slow(event):
        if event.name == "refresh_retry":
            listening.set()
            go.wait(SECONDS)

    session = party.signed_in(on_event=slow)
    party.clock.advance(700)
    party.server.plan.append(answer({}, 500))
    party.server.plan.append(answer({}, 500))
    lease = session.lease()
    assert listening.wait(SECONDS)
    found = []

    def renew():
        try:
            found.append(session.renew(lease, timeout=2).access_token)
        except SessionError as error:
            found.append(error)

    thread = threading.Thread(target=renew)
    thread.start()
    until(lambda: session._engine._hangar.flight.waiters)
    go.set()
    while thread.is_alive():
        party.clock.advance(1)
        thread.join(0.05)
    assert found != [lease.access_token]
