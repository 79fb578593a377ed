"""A store that fails: nothing is sent, nothing is lost, and it is made up for later."""

import traceback

import pytest

from clients.python.tests.session.world import Failing, Party, answer
from perennial.book import State
from perennial.errors import ReauthRequired, SignedOut, StorageError
from perennial.store import Kept
from perennial.stores.memory import MemoryStore


@pytest.fixture
def party():
    made = Party()
    made.store = Failing(made.store)
    return made


class Rude(Failing):
    """One that raises what no store should, and quotes what it was given."""

    def _try(self, part):
        if part in self.broken:
            raise OSError("INSERT INTO sessions VALUES ('r1')")


@pytest.mark.parametrize("part", ["read", "swap", "lock", "unlock"])
def test_new_tokens_survive_a_store_that_raises_anything(party, part, caplog):
    party.store = Rude(party.store)
    session = party.signed_in()

    def fail(form):
        party.store.broken = {part}
        return party.server.grant(form)

    party.server.plan.append(fail)
    party.clock.advance(900)
    assert session.token() == "a1"
    party.settled(session)
    party.store.broken = set()
    party.clock.advance(60)
    session.token()
    party.settled(session)
    assert party.session().token() == "a1"
    assert len(party.server.refreshes) == 1
    assert "r1" not in caplog.text


@pytest.mark.parametrize("part", ["read", "swap", "lock"])
def test_a_store_that_raises_anything_is_a_storage_error(party, part):
    party.store = Rude(party.store)
    session = party.signed_in()
    party.clock.advance(900)
    party.store.broken = {part}
    with pytest.raises(StorageError) as error:
        session.token(timeout=0.05)
    with pytest.raises(StorageError) as left:
        session.logout()
    for each in (error, left):
        assert "r1" not in "".join(traceback.format_exception(each.value))
    assert session.state is State.SIGNED_OUT


def fill_up_meanwhile(party):
    """The store is full when the answer to the next refresh comes."""

    def full(form):
        party.store.broken = {"swap"}
        return party.server.grant(form)

    party.server.plan.append(full)


@pytest.mark.parametrize("part", ["read", "swap", "lock"])
def test_nothing_is_sent_while_the_store_cannot_be_used(party, part):
    session = party.signed_in()
    party.clock.advance(900)
    party.store.broken = {part}
    with pytest.raises(StorageError):
        session.token(timeout=0.05)
    assert party.server.refreshes == []
    party.store.broken = set()
    assert session.token() == "a1"


@pytest.mark.parametrize("part", ["read", "swap", "lock"])
def test_while_the_old_token_is_good_a_broken_store_is_not_felt(party, part):
    session = party.signed_in()
    party.clock.advance(700)
    party.store.broken = {part}
    assert session.token() == "a0"
    party.settled(session)
    assert session.state is State.ACTIVE
    assert party.told("storage_degraded")


def test_a_store_that_is_locked_at_launch_is_not_a_sign_out(party):
    party.signed_in()
    session = party.session()
    party.store.broken = {"read"}
    with pytest.raises(StorageError):
        session.token(timeout=0.05)
    assert session.state is State.RESTORING
    party.store.broken = set()
    assert session.token() == "a0"


def test_tokens_that_could_not_be_stored_are_used_and_stored_later(party):
    session = party.signed_in()
    party.clock.advance(900)
    fill_up_meanwhile(party)
    assert session.token() == "a1"
    assert [event.cause for event in party.told("storage_degraded")]
    assert session.token() == "a1"
    party.settled(session)
    party.store.broken = set()
    party.clock.advance(60)
    session.token()
    party.settled(session)
    assert party.session().token() == "a1"
    assert len(party.server.refreshes) == 1


def test_a_token_of_unknown_life_serves_though_it_could_not_be_stored(party):
    party.server.lifetime = None
    session = party.signed_in()
    fill_up_meanwhile(party)
    session.renew(session.lease())
    party.clock.advance(60)
    assert session.token() == "a1"
    party.settled(session)
    assert len(party.told("refresh_retry")) == 1
    assert session.state is State.ACTIVE


def test_waking_stores_what_could_not_be_stored(party):
    session = party.signed_in()
    party.clock.advance(900)
    fill_up_meanwhile(party)
    assert session.token() == "a1"
    party.store.broken = set()
    session.wake()
    party.settled(session)
    assert party.session().token() == "a1"
    assert len(party.server.refreshes) == 1


def test_nothing_is_rotated_on_top_of_what_could_not_be_stored(party):
    session = party.signed_in()
    party.clock.advance(900)
    fill_up_meanwhile(party)
    session.token()
    party.clock.advance(900)
    with pytest.raises(StorageError):
        session.token(timeout=0.05)
    assert len(party.server.refreshes) == 1
    party.store.broken = set()
    assert session.token() == "a2"


def test_a_sign_in_that_could_not_be_stored_counts(party):
    party.store.broken = {"swap"}
    session = party.signed_in()
    assert session.token() == "a0"
    party.settled(session)
    party.store.broken = set()
    party.clock.advance(60)
    session.token()
    party.settled(session)
    assert party.session().token() == "a0"


def test_a_session_that_ended_stays_so_though_the_store_does_not_know(party):
    session = party.signed_in()
    party.clock.advance(700)
    party.store.broken = {"swap"}
    lease = session.lease()
    party.settled(session)
    party.store.broken = set()

    def over(form):
        party.store.broken = {"swap"}
        return answer({"error": "invalid_grant"}, 400)

    party.server.plan.extend([over, answer({"error": "invalid_grant"}, 400)])
    for _ in range(2):
        with pytest.raises((ReauthRequired, StorageError)):
            session.renew(lease, timeout=0.05)
        assert session.state is State.REAUTH_REQUIRED


def test_a_sign_in_outlives_the_end_of_the_session_before_it(party):
    session = party.signed_in()
    party.clock.advance(900)

    def over(form):
        party.store.broken = {"swap"}
        session.adopt({"access_token": "new", "token_type": "Bearer", "expires_in": 900})
        return answer({"error": "invalid_grant"}, 400)

    party.server.plan.append(over)
    assert session.token() == "new"
    assert session.state is State.ACTIVE


def test_signing_out_with_a_broken_store_signs_out_at_the_server(party):
    session = party.signed_in()
    party.store.broken = {"swap"}
    with pytest.raises(StorageError):
        session.logout()
    assert party.server.revoked == ["r0"]
    with pytest.raises((SignedOut, StorageError)):
        session.token(timeout=0.05)
    assert session.state is State.SIGNED_OUT


def test_a_record_of_a_later_version_of_this_library_is_left_alone(party):
    session = party.signed_in()
    document = party.store.read().document.replace('"format": 1', '"format": 2')
    assert party.store.swap(1, Kept(2, document))
    with pytest.raises(StorageError, match="later version"):
        party.session().token(timeout=0.05)
    assert party.store.read().document == document
    assert session.token() == "a0"


def test_what_a_later_version_added_is_ignored(party):
    party.signed_in()
    document = party.store.read().document.replace("{", '{"colour": "blue", ', 1)
    assert party.store.swap(1, Kept(2, document))
    assert party.session().token() == "a0"


def test_an_empty_store_that_has_a_length_is_a_store(party):
    class Sized(MemoryStore):
        def __len__(self):
            return 0

    party.store = Sized()
    party.signed_in()
    assert party.session().token() == "a0"
