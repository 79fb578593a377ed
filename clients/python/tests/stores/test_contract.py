"""What every store promises."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients.python.tests.stores.documents import kept, same
from perennial.store import Kept


@pytest.fixture(params=["memory", "file", "sqlite", "keyring", "callback"])
def reopen(request, makers):
    return makers[request.param]


@pytest.fixture
def store(reopen):
    return reopen()


def test_a_new_store_holds_nothing(store):
    assert store.read() is None


def test_what_is_swapped_in_is_read_by_whoever_opens_the_store(store, reopen):
    new = kept(1, refresh_token="r1", name="Åsa ☂ \ud83d\ude00", nothing=None, scopes=["a"])
    assert store.swap(0, new)
    assert same(reopen().read(), new)


def test_a_swap_replaces_the_whole_document(store):
    store.swap(0, kept(1, refresh_token="r1", access_token="a1"))
    assert store.swap(1, kept(2, refresh_token="r2"))
    assert same(store.read(), kept(2, refresh_token="r2"))


@pytest.mark.parametrize("expected", [0, 2, 3])
def test_a_swap_of_another_version_changes_nothing(store, expected):
    store.swap(0, kept(1, refresh_token="r1"))
    assert not store.swap(expected, kept(expected + 1, refresh_token="other"))
    assert same(store.read(), kept(1, refresh_token="r1"))


def test_a_swap_of_nothing_needs_nothing_to_be_expected(store):
    assert not store.swap(1, kept(2, refresh_token="r2"))
    assert store.read() is None


def test_a_session_that_ended_leaves_no_refresh_token(store):
    store.swap(0, kept(1, refresh_token="r1"))
    assert store.swap(1, kept(2, refresh_token=None))
    assert json.loads(store.read().document).get("refresh_token") is None
    assert store.swap(2, kept(3, signed_out="user"))
    assert same(store.read(), kept(3, signed_out="user"))


def test_one_of_fifty_threads_wins_a_swap(store):
    start = threading.Barrier(50)

    def compete(number):
        start.wait(30)
        return store.swap(0, kept(1, refresh_token=f"r{number}"))

    with ThreadPoolExecutor(50) as pool:
        won = list(pool.map(compete, range(50)))
    assert won.count(True) == 1
    assert same(store.read(), kept(1, refresh_token=f"r{won.index(True)}"))


def test_no_update_of_many_threads_is_lost(store):
    store.swap(0, kept(1, refresh_token="0"))

    def count():
        for _ in range(10):
            while True:
                there = store.read()
                number = int(json.loads(there.document)["refresh_token"]) + 1
                if store.swap(there.version, kept(there.version + 1, refresh_token=str(number))):
                    break

    with ThreadPoolExecutor(5) as pool:
        for done in [pool.submit(count) for _ in range(5)]:
            done.result(60)
    assert same(store.read(), kept(51, refresh_token="50"))


def test_the_lock_is_had_by_one_and_then_by_the_next(store, reopen):
    with store.lock(1) as held:
        assert held
        with reopen().lock(0) as second:
            assert not second
    with reopen().lock(0) as held:
        assert held


def test_who_did_not_get_the_lock_takes_nothing_from_who_has_it(store):
    with store.lock(0):
        with store.lock(0) as second:
            assert not second
        with store.lock(0) as third:
            assert not third


def test_the_lock_ends_with_what_it_was_held_for_even_when_that_fails(store):
    with pytest.raises(ZeroDivisionError), store.lock(0):
        raise ZeroDivisionError
    with store.lock(0) as held:
        assert held


def test_one_of_fifty_threads_holds_the_lock_at_any_time(store):
    inside, most = [], []

    def enter():
        with store.lock(60) as held:
            assert held
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    with ThreadPoolExecutor(50) as pool:
        for done in [pool.submit(enter) for _ in range(50)]:
            done.result(60)
    assert len(most) == 50
    assert set(most) == {1}


def test_a_swap_needs_no_lock(store, reopen):
    with store.lock(0):
        assert reopen().swap(0, kept(1, refresh_token="r1"))


def test_no_token_is_printed_with_a_store_or_what_it_holds(store):
    store.swap(0, kept(1, refresh_token="secret-r", access_token="secret-a"))
    assert "secret" not in f"{store!r} {store.read()!r}"


@pytest.mark.parametrize("kind", ["file", "sqlite", "keyring"])
def test_what_is_no_json_is_not_written(makers, kind):
    with pytest.raises(ValueError, match="Expecting"):
        makers[kind]().swap(0, Kept(1, "no json"))
    assert makers[kind]().read() is None
