"""Promise: tokens are private. Broken: what is put aside keeps a mode that others
can read; a database that others can read stays so."""

import stat

from perennial import FileStore, SqliteStore
from perennial.store import Kept


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
