"""Promise: never loses a session. A process that has another keyring (cron without D-Bus, ssh,
`PYTHON_KEYRING_BACKEND`) finds no entry, and does not take that for the end of it.
"""

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


def test_a_process_with_another_keyring_does_not_end_the_session():
    party, beside = Party(), MemoryStore()
    desktop = keyring_store.KeyringStore("app", beside, backend=Ring())
    cron = keyring_store.KeyringStore("app", beside, backend=Ring())
    session = party.signed_in(store=desktop)
    party.clock.advance(900)
    with pytest.raises(SessionError):
        party.session(store=cron).token(timeout=0.2)
    assert session.token() == "a1"
