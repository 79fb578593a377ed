"""A store whose functions are an application's."""

from contextlib import contextmanager

import pytest

from clients.python.tests.stores.backends import Row
from clients.python.tests.stores.documents import kept
from clients.python.tests.stores.processes import ended, forked
from perennial.errors import StorageError
from perennial.stores import CallbackStore

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

SECRET = "parameters: ('secret')"


def broken(*arguments):
    raise RuntimeError(SECRET)


@contextmanager
def broken_at_the_end(timeout):
    yield True
    raise RuntimeError(SECRET)


@pytest.mark.parametrize(
    ("named", "use"),
    [
        ("read", lambda store: store.read()),
        ("swap", lambda store: store.swap(0, kept(1))),
        ("lock", lambda store: store.lock(0).__enter__()),
    ],
)
def test_what_a_function_raises_is_a_storage_error_without_its_words(named, use):
    functions = {"read": broken, "swap": broken, "lock": broken}
    with pytest.raises(
        StorageError, match=f"`{named}` of the store failed: RuntimeError"
    ) as caught:
        use(CallbackStore(**functions))
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_lock_that_cannot_be_given_back_is_a_storage_error():
    row = Row()
    store = CallbackStore(read=row.read, swap=row.swap, lock=broken_at_the_end)
    with pytest.raises(StorageError), store.lock(0) as held:
        assert held


def test_a_storage_error_of_a_function_is_handed_on():
    def unreadable():
        raise StorageError("the database is away")

    with pytest.raises(StorageError, match="the database is away"):
        CallbackStore(read=unreadable, swap=broken).read()


def test_what_fails_under_the_lock_reaches_the_lock_and_the_caller_as_it_is():
    seen = []

    @contextmanager
    def lock(timeout):
        try:
            yield True
        except ZeroDivisionError as error:
            seen.append(error)
            raise

    row = Row()
    store = CallbackStore(read=row.read, swap=row.swap, lock=lock)
    with pytest.raises(ZeroDivisionError), store.lock(0):
        raise ZeroDivisionError
    assert len(seen) == 1


def test_without_a_lock_the_threads_of_the_process_take_turns():
    row = Row()
    store = CallbackStore(read=row.read, swap=row.swap)
    with store.lock(10) as held, store.lock(0.01) as second:
        assert (held, second) == (True, False)
    with store.lock(0) as held:
        assert held


def test_without_a_lock_a_child_does_not_wait_for_a_thread_that_it_lacks():
    row = Row()
    store = CallbackStore(read=row.read, swap=row.swap)

    def take():
        with store.lock(0) as held:
            assert held

    with store.lock(0):
        assert ended(forked(take)) == 0
