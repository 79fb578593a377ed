"""Never loses a session."""

from contextlib import contextmanager, suppress

from clients.python.tests.session.world import Party
from perennial import CallbackStore, StorageError
from perennial.stores.memory import MemoryStore


def test_new_tokens_survive_a_lock_that_cannot_be_given_back():
    party = Party(replays=False)
    real, away = MemoryStore(), []

    def working():
        if away:
            raise RuntimeError("server closed the connection unexpectedly")

    @contextmanager
    def lock(timeout):
        working()
        yield True
        working()  # COMMIT of SELECT ... FOR UPDATE

    def swap(expected, new):
        working()
        return real.swap(expected, new)

    def read():
        working()
        return real.read()

    party.store = CallbackStore(read=read, swap=swap, lock=lock)
    session = party.signed_in()
    party.clock.advance(900)

    def leaving(form):
        away.append(True)
        return party.server.grant(form)

    party.server.plan.append(leaving)
    with suppress(StorageError):
        session.token(timeout=0.3)
    party.settled(session)
    away.clear()
    assert session.token() == "a1"
    assert len(party.server.refreshes) == 1, "a strict server takes the second use for theft"
