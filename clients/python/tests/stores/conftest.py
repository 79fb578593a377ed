import pytest

from clients.python.tests.stores.backends import Ring, Row
from perennial.stores import CallbackStore, FileStore, KeyringStore, MemoryStore, SqliteStore


@pytest.fixture
def ring(tmp_path):
    return Ring(tmp_path / "ring")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "app" / "session.json"


@pytest.fixture
def makers(path, ring):
    """How to open each kind of store; opened again, those on disk hold what they held."""
    memory, row = MemoryStore(), Row()
    return {
        "memory": lambda: memory,
        "file": lambda: FileStore(path),
        "sqlite": lambda: SqliteStore(path),
        "keyring": lambda: KeyringStore("app", FileStore(path), backend=ring),
        "callback": lambda: CallbackStore(read=row.read, swap=row.swap, lock=row.lock),
    }
