"""A store in memory, after a fork."""

import os

import pytest

from clients.python.tests.stores.documents import kept
from clients.python.tests.stores.processes import ended, forked
from perennial.errors import StorageError
from perennial.stores import MemoryStore

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


@pytest.fixture
def store():
    store = MemoryStore()
    store.swap(0, kept(1, refresh_token="r1"))
    return store


def test_a_forked_child_neither_replaces_nor_refreshes_the_copy_of_a_session(store):
    def child():
        with pytest.raises(StorageError, match="use a FileStore"):
            store.swap(1, kept(2, refresh_token="r2"))
        with pytest.raises(StorageError, match="use a FileStore"), store.lock(0):
            pass

    assert ended(forked(child)) == 0


def test_a_forked_child_can_read_what_was_there(store):
    assert ended(forked(lambda: os._exit(store.read() != kept(1, refresh_token="r1")))) == 0


def test_the_parent_goes_on_after_a_fork(store):
    assert ended(forked(lambda: None)) == 0
    assert store.swap(1, kept(2, refresh_token="r2"))


def test_an_empty_store_is_the_childs_own_whatever_was_locked_at_the_fork():
    store = MemoryStore()

    def child():
        with store.lock(0) as held:
            assert held
            assert store.swap(0, kept(1, refresh_token="r1"))

    with store.lock(0):
        assert ended(forked(child)) == 0
    assert store.read() is None
