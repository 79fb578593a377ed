"""A session is never lost."""


def test_a_store_restored_from_a_backup_does_not_sign_out_who_still_knows_the_newest_tokens(party):
    session = party.signed_in()
    party.clock.advance(900)
    assert session.token() == "a1"
    backup = party.store.read()
    for number in (2, 3):
        party.clock.advance(900)
        assert session.token() == f"a{number}"
    party.store._kept = backup
    party.clock.advance(900)
    assert session.token() == "a4", party.server.refreshes[-1]


def test_the_same_with_an_intent_in_the_backup(party):
    session = party.signed_in()
    taken = []
    party.server.plan.append(
        lambda form: (taken.append(party.store.read()), party.server.grant(form))[1]
    )
    party.clock.advance(900)
    session.token()
    party.clock.advance(900)
    session.token()
    party.store._kept = taken[0]
    party.clock.advance(900)
    assert session.token() == "a3"
