"""A process that has another keyring (cron without D-Bus, ssh,
`PYTHON_KEYRING_BACKEND`) finds no entry, and does not take that for the end of it.
"""

import pytest

from clients.python.tests.session.world import Party
from perennial import SessionError
from perennial.stores.keyring import KeyringStore
from perennial.stores.memory import MemoryStore


class Ring:
    def __init__(self):
        self.kept = {}

    def get_password(self, service, name):
        return self.kept.get((service, name))

    def set_password(self, service, name, value):
        self.kept[service, name] = value

    def delete_password(self, service, name):
        del self.kept[service, name]


def test_a_process_with_another_keyring_does_not_end_the_session():
    party, beside = Party(), MemoryStore()
    desktop = KeyringStore("app", beside, backend=Ring())
    cron = KeyringStore("app", beside, backend=Ring())
    session = party.signed_in(store=desktop)
    party.clock.advance(900)
    with pytest.raises(SessionError):
        party.session(store=cron).token(timeout=0.2)
    assert session.token() == "a1"


# --- the way back ---------------------------------------------------------------------------------


@pytest.fixture
def ring():
    return Ring()


@pytest.fixture
def deprived(ring):
    """Somebody whose entry was deleted."""
    deprived = Party(store=KeyringStore("app", MemoryStore(), backend=ring))
    deprived.signed_in()
    ring.kept.clear()
    return deprived


def test_signing_in_again_is_stored(deprived):
    deprived.signed_in()
    assert deprived.session().token(timeout=0.5) == "a0"
    assert deprived.session().restore().value == "active"


def test_signing_out_is_stored(deprived):
    deprived.session().logout()
    assert deprived.session().restore().value == "signed_out"


def test_what_is_not_at_hand_is_not_overwritten_by_less(deprived):
    """Only a sign-in or a sign-out may: anything else would lose the token of another keyring."""
    before = deprived.store._beside.read()
    with pytest.raises(SessionError):
        deprived.session().token(timeout=0.2)
    deprived.session().wake()
    assert deprived.store._beside.read() == before
