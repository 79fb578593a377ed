"""Refreshes silently."""

import threading

from clients.python.tests.session.world import SECONDS, answer


def _with_debts(party, number, status=503):
    session = party.session()
    original = party.server

    def transport(request):
        if request.url.endswith("/revoke"):
            party.attempts += 1
            if party.hang:
                party.gate.wait(SECONDS)
            return answer({}, status)
        return original(request)

    party.attempts, party.hang, party.gate = 0, False, threading.Event()
    session = party.session(transport=transport)
    for each in range(number):
        session.adopt(
            {"access_token": f"x{each}", "refresh_token": f"old{each}", "token_type": "Bearer"}
        )
        session.logout()
    session.adopt(
        {"access_token": "a0", "refresh_token": "r0", "token_type": "Bearer", "expires_in": 900}
    )
    return session


def test_new_tokens_are_given_out_before_an_old_session_is_revoked(party):
    session = _with_debts(party, 1)
    party.hang = True
    party.clock.advance(900)
    try:
        assert session.token(timeout=1) == "a1"
    finally:
        party.gate.set()


def test_an_endpoint_that_does_not_exist_is_not_asked_for_ever(party):
    session = _with_debts(party, 5, status=404)
    party.attempts = 0
    for number in range(1, 4):
        party.clock.advance(900)
        assert session.token() == f"a{number}"
        party.settled(session)
    assert party.attempts <= 5, f"{party.attempts} requests at three refreshes"
