"""What importing the stores brings along."""

import subprocess
import sys

import pytest

import perennial.stores

LOADED = "import sys; from perennial.stores import {0}; print(*sys.modules)"


def loaded_with(names):
    command = [sys.executable, "-c", LOADED.format(names)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_each_store_is_imported_when_it_is_asked_for():
    heavy = {"sqlite3", "keyring", "asyncio", "ssl", "tempfile", "random", "pathlib"}
    assert loaded_with("__all__") & (heavy | {"perennial.stores.file"}) == set()
    assert loaded_with("FileStore, MemoryStore, CallbackStore") & heavy == set()
    assert "sqlite3" in loaded_with("SqliteStore")


def test_every_store_that_is_promised_is_there():
    for name in perennial.stores.__all__:
        assert getattr(perennial.stores, name).__name__ == name


def test_nothing_else_is_there():
    with pytest.raises(AttributeError, match="has no attribute 'RedisStore'"):
        _ = perennial.stores.RedisStore
