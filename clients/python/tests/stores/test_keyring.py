"""A refresh token in the keyring and the rest beside it."""

import copy
import json
from dataclasses import replace

import keyring
import pytest
from keyring.backends import fail, null

from clients.python.tests.stores.documents import kept, same
from perennial.errors import StorageError
from perennial.store import Withheld
from perennial.stores import FileStore, KeyringStore, MemoryStore

FIRST = kept(1, refresh_token="r1", access_token="a1")
SECOND = kept(2, refresh_token="r2", access_token="a2")


class Beside(MemoryStore):
    """Does what a test says before or instead of a swap."""

    def __init__(self):
        super().__init__()
        self.before = self.after = lambda: None

    def swap(self, expected, new):
        before, self.before = self.before, lambda: None
        before()
        swapped = super().swap(expected, new)
        after, self.after = self.after, lambda: None
        after()
        return swapped


@pytest.fixture
def beside():
    return Beside()


@pytest.fixture
def store(beside, ring):
    return KeyringStore("app", beside, backend=ring)


def fails():
    raise StorageError("the disk is full")


def test_the_refresh_token_is_in_the_keyring_alone(store, beside, ring):
    store.swap(0, FIRST)
    assert ring.tokens() == ["r1"]
    assert "r1" not in beside.read().document
    assert json.loads(beside.read().document)["access_token"] == "a1"


def test_the_former_token_is_deleted(store, ring):
    store.swap(0, FIRST)
    store.swap(1, SECOND)
    assert ring.tokens() == ["r2"]


def test_a_session_that_ended_leaves_nothing_in_the_keyring(store, ring):
    store.swap(0, FIRST)
    store.swap(1, kept(2, signed_out="user"))
    assert ring.tokens() == []
    assert same(store.read(), kept(2, signed_out="user"))


def test_the_same_token_is_not_written_again(store, ring):
    store.swap(0, FIRST)
    ring.seen.clear()
    assert store.swap(1, kept(2, refresh_token="r1", intent="k1"))
    assert ring.seen == ["get"]
    assert same(store.read(), kept(2, refresh_token="r1", intent="k1"))


def test_who_loses_the_swap_takes_its_entry_back(store, beside, ring):
    store.swap(0, FIRST)
    winner = KeyringStore("app", beside, backend=ring)
    beside.before = lambda: winner.swap(1, kept(2, refresh_token="theirs"))
    assert not store.swap(1, SECOND)
    assert ring.tokens() == ["theirs"]
    assert same(store.read(), kept(2, refresh_token="theirs"))


def test_a_swap_that_fails_beside_changes_nothing(store, beside, ring):
    store.swap(0, FIRST)
    beside.before = fails
    with pytest.raises(StorageError, match="disk is full"):
        store.swap(1, SECOND)
    assert ring.tokens() == ["r1"]
    assert same(store.read(), FIRST)


def test_a_swap_whose_answer_is_lost_keeps_its_entry(store, beside, ring):
    store.swap(0, FIRST)
    beside.after = fails
    with pytest.raises(StorageError, match="disk is full"):
        store.swap(1, SECOND)
    assert same(store.read(), SECOND)
    store.swap(2, kept(3, refresh_token="r3"))
    assert ring.tokens() == ["r3"]


def test_a_locked_keyring_is_a_storage_error_and_never_no_session(store, ring):
    store.swap(0, FIRST)
    ring.locked = True
    for operation in (store.read, lambda: store.swap(1, SECOND)):
        ring.seen.clear()
        with pytest.raises(StorageError, match="KeyringLocked"):
            operation()
        assert ring.seen == ["get"], "a person is asked more than once"
    ring.locked = False
    assert same(store.read(), FIRST)
    assert ring.tokens() == ["r1"]


def test_a_session_ends_with_a_locked_keyring_and_its_token_goes_when_it_is_open(store, ring):
    store.swap(0, FIRST)
    ring.locked = True
    assert store.swap(1, kept(2, signed_out="user"))
    ring.locked = False
    assert ring.tokens() == ["r1"]
    assert same(store.read(), kept(2, signed_out="user"))
    store.swap(2, kept(3, refresh_token="r3"))
    assert ring.tokens() == ["r3"]


@pytest.mark.parametrize("new", [SECOND, kept(2, signed_out="user")], ids=["in", "out"])
def test_an_entry_that_is_gone_is_not_the_end_and_signing_in_or_out_needs_none(store, ring, new):
    store.swap(0, FIRST)
    for entry in ring.directory.iterdir():
        entry.unlink()
    with pytest.raises(Withheld, match="another keyring, or its entry was deleted") as caught:
        store.read()
    assert same(caught.value.there, kept(1, access_token="a1"))
    assert same(copy.deepcopy(caught.value).there, kept(1, access_token="a1"))
    assert "a1" not in f"{caught.value} {caught.value!r}"
    assert store.swap(1, new)
    assert same(store.read(), new)


def test_who_reads_while_another_replaces_gets_the_replacement(store, beside, ring, monkeypatch):
    store.swap(0, FIRST)
    get = ring.get_password

    def replaced_first(service, username):
        monkeypatch.setattr(ring, "get_password", get)
        KeyringStore("app", beside, backend=ring).swap(1, SECOND)
        return get(service, username)

    monkeypatch.setattr(ring, "get_password", replaced_first)
    assert same(store.read(), SECOND)


def test_reading_ends_even_if_replacing_does_not(store, beside, ring, monkeypatch):
    store.swap(0, FIRST)

    def always_gone(service, username):
        there = beside.read()
        beside.swap(there.version, replace(there, version=there.version + 1))

    monkeypatch.setattr(ring, "get_password", always_gone)
    with pytest.raises(StorageError, match="faster than it can be read"):
        store.read()


def test_a_session_that_was_in_the_file_moves_to_the_keyring(path, ring):
    FileStore(path).swap(0, FIRST)
    store = KeyringStore("app", FileStore(path), backend=ring)
    assert same(store.read(), FIRST)
    assert store.swap(1, kept(2, refresh_token="r1"))
    assert ring.tokens() == ["r1"]
    assert "r1" not in path.read_text()


@pytest.mark.parametrize("backend", [fail.Keyring(), null.Keyring()])
def test_a_keyring_that_keeps_nothing_is_a_storage_error(beside, backend):
    store = KeyringStore("app", beside, backend=backend)
    with pytest.raises(StorageError, match=r"NoKeyringError|did not keep"):
        store.swap(0, FIRST)
    assert beside.read() is None


def test_the_keyring_of_the_system_is_asked_without_being_named(beside, ring, monkeypatch):
    monkeypatch.setattr(keyring, "get_keyring", lambda: ring)
    KeyringStore("app", beside).swap(0, FIRST)
    assert ring.tokens() == ["r1"]


def test_two_services_do_not_see_each_other(ring):
    one, other = (KeyringStore(name, MemoryStore(), backend=ring) for name in ("one", "other"))
    one.swap(0, FIRST)
    other.swap(0, kept(1, refresh_token="theirs"))
    one.swap(1, kept(2))
    assert ring.tokens() == ["theirs"]


def test_what_a_backend_says_goes_no_further(store, ring, monkeypatch):
    def quotes(service, username, password):
        raise RuntimeError(f"pass insert {password}")

    monkeypatch.setattr(ring, "set_password", quotes)
    with pytest.raises(StorageError) as caught:
        store.swap(0, FIRST)
    assert "r1" not in str(caught.value)
    assert caught.value.__suppress_context__
