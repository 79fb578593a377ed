"""Promise: they work with any RFC 6749 server, also with a CallbackStore whose `lock` is left out, as its
signature invites."""

from clients.python.tests.session.world import Party
from perennial import CallbackStore
from perennial.stores.memory import MemoryStore


def test_a_single_process_whose_store_has_no_lock_refreshes_at_any_server():
    party = Party(replays=False)
    memory = MemoryStore()
    session = party.signed_in(store=CallbackStore(read=memory.read, swap=memory.swap))
    party.clock.advance(900)
    assert session.token(timeout=0.5) == "a1"
