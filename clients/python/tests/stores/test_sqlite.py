"""Sessions in a database: many names, broken files, and who else uses it."""

import os
import resource
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from clients.python.tests.stores.documents import kept, same
from clients.python.tests.stores.processes import ended, forked
from perennial.errors import StorageError
from perennial.stores import SqliteStore, sqlite

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

FIRST, SECOND = kept(1, refresh_token="r1"), kept(2, refresh_token="r2")


@pytest.fixture
def store(path):
    return SqliteStore(path)


@pytest.fixture
def execute(path):
    def run(statement, *values):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()

    return run


def names(path):
    return sorted(each.name for each in path.parent.iterdir())


def test_names_are_kept_apart(path):
    stores = [SqliteStore(path, name) for name in ("default", "ana@id.example/cli", "a" * 300, "é")]
    for number, store in enumerate(stores):
        assert store.swap(0, kept(1, refresh_token=str(number)))
    for number, store in enumerate(stores):
        with store.lock(0) as held:
            assert held
            assert same(store.read(), kept(1, refresh_token=str(number)))
            with stores[number - 1].lock(0) as another:
                assert another


def test_the_lock_is_named_after_the_session(store, path):
    with store.lock(0):
        assert names(path) == ["session.json.default.lock"]


@pytest.mark.parametrize("mask", [0, 0o022])
def test_the_file_is_private_whatever_the_umask(store, path, mask):
    before = os.umask(mask)
    try:
        store.swap(0, FIRST)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_reading_creates_nothing(store, path):
    assert store.read() is None
    assert not path.parent.exists()


@pytest.mark.parametrize("others", [0o620, 0o602])
def test_a_file_that_others_can_write_is_refused(store, path, others):
    store.swap(0, FIRST)
    path.chmod(others)
    for operation in (store.read, lambda: store.swap(1, SECOND)):
        with pytest.raises(StorageError, match="chmod 600"):
            operation()


@pytest.mark.parametrize("path_of", ["with ? and #", "with % 41"])
def test_a_path_is_no_address(tmp_path, path_of):
    path = tmp_path / path_of / "sessions.db"
    SqliteStore(path).swap(0, FIRST)
    assert path.is_file()
    assert same(SqliteStore(path).read(), FIRST)


@pytest.mark.parametrize(
    "change", ["document = 'half {'", "document = CAST(x'7bff7d' AS TEXT)", "version = 'one'"]
)
@pytest.mark.parametrize("first", ["read", "swap"])
def test_a_row_that_cannot_be_understood_is_put_aside(path, execute, change, first):
    store = SqliteStore(path, "ana[*]?")
    for number in (1, 2):
        store.swap(0, FIRST)
        execute(f"UPDATE perennial_sessions SET {change} WHERE name = ?", "ana[*]?")
        if first == "read":
            assert store.read() is None
        assert store.swap(0, FIRST)
        execute("DELETE FROM perennial_sessions WHERE name = ?", "ana[*]?")
        aside = execute("SELECT name FROM perennial_sessions ORDER BY name")
        assert aside == [(f"ana[*]?.unreadable-{n}",) for n in range(1, number + 1)]


def test_the_row_of_a_later_version_is_neither_read_nor_replaced(store, execute):
    store.swap(0, FIRST)
    execute("UPDATE perennial_sessions SET format = 2")
    for operation in (store.read, lambda: store.swap(1, SECOND)):
        with pytest.raises(StorageError, match="upgrade perennial-client"):
            operation()
    assert execute("SELECT format, version FROM perennial_sessions") == [(2, 1)]


@pytest.mark.parametrize("first", ["read", "swap"])
def test_a_file_that_is_no_database_is_put_aside(store, path, first):
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    if first == "read":
        assert store.read() is None
    assert store.swap(0, FIRST)
    assert same(store.read(), FIRST)
    assert (path.parent / "session.json.unreadable-1").read_bytes() == b"no database" * 1000


def test_a_damaged_database_is_put_aside_and_its_journal_not_played_into_the_next(store, path):
    store.swap(0, FIRST)
    journal = path.with_name(path.name + "-journal")

    def dies_while_writing():
        with store._transaction() as connection:
            connection.execute("PRAGMA cache_spill = 1")
            connection.execute("PRAGMA cache_size = 1")
            connection.execute("UPDATE perennial_sessions SET document = ?", ("x" * 100_000,))
            os._exit(0)

    assert ended(forked(dies_while_writing)) == 0
    hot = journal.read_bytes()
    assert hot
    journal.unlink()
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes(4096 - 100) + content[4096:])
    assert store.read() is None
    assert names(path).count("session.json.unreadable-1") == 1
    journal.write_bytes(hot)
    assert store.swap(0, SECOND)
    assert same(store.read(), SECOND)


def test_an_empty_file_is_no_session(store, path):
    path.parent.mkdir()
    path.touch(0o600)
    assert store.read() is None
    assert store.swap(0, FIRST)


def test_a_database_that_stays_locked_is_a_storage_error_after_a_while(store, path, monkeypatch):
    store.swap(0, FIRST)
    monkeypatch.setattr(sqlite, "PATIENCE", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for operation in (store.read, lambda: store.swap(1, SECOND)):
            with pytest.raises(StorageError, match="database is locked"):
                operation()
    assert same(store.read(), FIRST)
    assert store.swap(1, SECOND)


def test_a_full_disk_leaves_what_was_there(store):
    store.swap(0, FIRST)

    def child():
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
        with pytest.raises(StorageError):
            store.swap(1, kept(2, refresh_token="r" * 100_000))

    assert ended(forked(child)) == 0
    assert same(store.read(), FIRST)
    assert store.swap(1, SECOND)


def test_parent_and_child_go_on_with_one_store_after_a_fork(store):
    store.swap(0, FIRST)
    assert ended(forked(lambda: os._exit(not store.swap(1, SECOND)))) == 0
    assert store.swap(2, kept(3, refresh_token="r3"))


def test_a_commit_is_synced_with_its_directory(store):
    store.swap(0, FIRST)
    with store._transaction() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (3,)


def test_a_fork_waits_for_the_transactions_of_other_threads(store):
    """SQLite remembers the locks of its process; a child would inherit what it remembers."""
    store.swap(0, FIRST)
    inside, go_on = threading.Event(), threading.Event()

    def slow():
        with store._transaction():
            inside.set()
            assert go_on.wait(30)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(slow)
        assert inside.wait(30)
        threading.Timer(0.2, go_on.set).start()
        child = forked(lambda: os._exit(not store.swap(1, SECOND)))
        done.result(30)
    assert ended(child) == 0
    assert same(store.read(), SECOND)


def test_looking_at_the_file_does_not_end_the_locks_of_others_on_it(store, path):
    store.swap(0, FIRST)
    begin = "import sqlite3, sys; sqlite3.connect(sys.argv[1], 0).execute('BEGIN IMMEDIATE')"
    with store._transaction():
        assert store.read()
        another = subprocess.run(
            [sys.executable, "-c", begin, path], check=False, capture_output=True, text=True
        )
    assert "database is locked" in another.stderr


def test_a_file_in_place_of_the_directory_is_a_storage_error(store, path):
    path.parent.write_text("")
    for operation in (store.read, lambda: store.swap(0, FIRST)):
        with pytest.raises(StorageError, match="Not a directory"):
            operation()
