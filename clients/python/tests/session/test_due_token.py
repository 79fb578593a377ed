"""`token` waits only when no token is good."""


def test_a_good_token_is_returned_to_who_cannot_wait_for_the_next(party):
    session = party.signed_in()
    party.clock.advance(892)  # 8 s left
    party.server.gate.clear()
    try:
        assert session.token(timeout=0.1) == "a0"
    finally:
        party.server.gate.set()
