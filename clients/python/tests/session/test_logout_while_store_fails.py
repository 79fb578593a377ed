"""Logout beats."""

import pytest

from clients.python.tests.session.world import Failing, until
from perennial import SessionError, State, StorageError


@pytest.fixture
def store(party):
    """Of somebody who signed out while it could not be written."""
    store = Failing(party.store)
    session = party.signed_in(store=store)
    store.broken, party.server.away = {"swap"}, True
    with pytest.raises(StorageError):
        session.logout()
    store.broken, party.server.away = set(), False
    with pytest.raises(SessionError):
        session.token()
    return store


def test_nothing_is_refreshed_after_a_logout_whatever_the_store_did(party, store):
    assert party.server.refreshes == []


def test_the_next_run_is_signed_out_once_the_store_is_back(party, store):
    assert party.session(store=store).restore() is State.SIGNED_OUT


def test_what_was_not_stored_does_not_come_back_after_a_logout(party):
    store = Failing(party.store)
    session = party.signed_in(store=store)
    party.clock.advance(900)
    party.server.gate.clear()
    flight = session._engine.look(30)
    until(lambda: party.server.refreshes)
    store.broken = {"swap"}
    with pytest.raises(StorageError):
        session.logout(revoke=False)
    party.server.gate.set()
    with pytest.raises(SessionError):
        flight.wait(30)
    store.broken = set()
    with pytest.raises(SessionError):
        session.token()
    assert party.session(store=store).restore() is State.SIGNED_OUT
