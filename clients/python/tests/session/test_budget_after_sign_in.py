"""A 401 leads to exactly one retry."""

from perennial import RefreshLoopError


def test_a_new_session_has_a_budget_of_its_own(party):
    session = party.signed_in()
    for _ in range(5):
        session.renew(session.lease())
    session.sign_in_with_password("bob", "correct horse")
    try:
        session.renew(session.lease())
    except RefreshLoopError as error:
        raise AssertionError("of Alice's tokens") from error
