"""Never loses a session; the person whose entry in the keyring was deleted can sign in again, and
out."""

import pytest

from clients.python.tests.session.world import Party
from perennial import SessionError
from perennial.stores.memory import MemoryStore

keyring_store = pytest.importorskip("perennial.stores.keyring")


class Ring:
    def __init__(self):
        self.kept = {}

    def get_password(self, service, name):
        return self.kept.get((service, name))

    def set_password(self, service, name, value):
        self.kept[service, name] = value

    def delete_password(self, service, name):
        del self.kept[service, name]


@pytest.fixture
def ring():
    return Ring()


@pytest.fixture
def party(ring):
    party = Party(store=keyring_store.KeyringStore("app", MemoryStore(), backend=ring))
    party.signed_in()
    ring.kept.clear()
    return party


def test_signing_in_again_is_stored(party):
    party.signed_in()
    assert party.session().token(timeout=0.5) == "a0"
    assert party.session().restore().value == "active"


def test_signing_out_is_stored(party):
    party.session().logout()
    assert party.session().restore().value == "signed_out"


def test_what_is_not_at_hand_is_not_overwritten_by_less(party):
    """Only a sign-in or a sign-out may: anything else would lose the token of another keyring."""
    before = party.store._beside.read()
    with pytest.raises(SessionError):
        party.session().token(timeout=0.2)
    party.session().wake()
    assert party.store._beside.read() == before
