"""Where sessions are kept. Each store is imported when it is first asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perennial.stores.callback import CallbackStore
    from perennial.stores.file import FileStore
    from perennial.stores.keyring import KeyringStore
    from perennial.stores.memory import MemoryStore
    from perennial.stores.sqlite import SqliteStore

__all__ = ["CallbackStore", "FileStore", "KeyringStore", "MemoryStore", "SqliteStore"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{name.removesuffix('Store').lower()}"), name)
