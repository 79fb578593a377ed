"""A sign-in that the store cannot take is kept in memory, and stored when it can."""

import pytest

from clients.python.tests.session.world import Failing


@pytest.fixture
def shaky(party):
    store = Failing(party.store)
    party.signed_in()  # an earlier run of the program
    store.broken = {"read"}  # a lock that took too long, a disk that was away
    party.store_of_bob = store
    return store


def _bob(party, store):
    bob = party.session(store=store)
    bob.adopt(
        {
            "access_token": "bob-a",
            "refresh_token": "bob-r",
            "token_type": "Bearer",
            "expires_in": 900,
        }
    )
    return bob


def test_bob_never_gets_the_tokens_of_alice(party, shaky):
    bob = _bob(party, shaky)
    shaky.broken = set()
    assert {bob.token(), party.settled(bob).token()} == {"bob-a"}


def test_what_was_just_granted_is_not_revoked(party):
    party.signed_in().logout()
    party.server.revoked.clear()
    store = Failing(party.store)
    store.broken = {"read"}
    bob = _bob(party, store)
    store.broken = set()
    assert bob.token() == "bob-a"
    party.settled(bob)
    assert party.server.revoked == []
    assert bob.token() == "bob-a"
