"""Promise: tokens are private, also those that are put aside, and those in a database that others could
read before.
"""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from clients.python.tests.stores.processes import ended, forked
from perennial import FileStore, SqliteStore, StorageError
from perennial.store import Kept

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

NOBODY = 65534
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def test_what_is_put_aside_is_private(tmp_path):
    path = tmp_path / "session.json"
    path.write_text('{"format": 1, "refresh_token": "cft_secret"')
    path.chmod(0o644)
    FileStore(path).read()
    aside = tmp_path / "session.json.unreadable-1"
    assert stat.S_IMODE(aside.stat().st_mode) & 0o077 == 0


def test_a_database_that_others_can_read_is_made_private_by_the_next_write(tmp_path):
    path = tmp_path / "sessions.db"
    store = SqliteStore(path)
    store.swap(0, Kept(1, "{}"))
    path.chmod(0o644)
    store.swap(1, Kept(2, "{}"))
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_database_that_is_put_aside_is_private(tmp_path):
    path = tmp_path / "sessions.db"
    path.write_bytes(b"no database, and a token: cft_secret")
    path.chmod(0o644)
    assert SqliteStore(path).read() is None
    aside = tmp_path / "sessions.db.unreadable-1"
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600


@only_root
@pytest.mark.parametrize("make", [FileStore, SqliteStore])
def test_a_lock_of_another_user_is_refused(tmp_path, make):
    """Who may keep it locked for ever would keep everybody from refreshing."""
    store = make(tmp_path / "session")
    with store.lock(0) as held:
        assert held
    (lock,) = tmp_path.glob("*.lock")
    os.chown(lock, NOBODY, -1)
    with pytest.raises(StorageError, match=r"\.lock: this file belongs to another user"):
        store.lock(0).__enter__()
    os.chown(lock, 0, -1)
    with store.lock(0) as held:
        assert held


@only_root
def test_a_lock_that_root_left_behind_is_said_to_be_anothers():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        Path(folder).chmod(0o755)
        store = FileStore(Path(folder) / "session.json")
        with store.lock(0):
            pass

        def try_as_nobody():
            os.setuid(NOBODY)
            with pytest.raises(StorageError, match=r"\.lock: this file belongs to another user"):
                store.lock(0).__enter__()

        assert ended(forked(try_as_nobody)) == 0
