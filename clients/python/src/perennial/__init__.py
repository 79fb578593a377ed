"""Clients of OAuth 2.0 servers: `Session` keeps a person signed in. `perennial.verify` is for those
who receive access tokens.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perennial.accounts import Account, Accounts
    from perennial.book import State
    from perennial.code_flow import Pending
    from perennial.device_flow import DeviceCode
    from perennial.errors import (
        ConfigError,
        OfflineError,
        ProtocolError,
        ReauthRequired,
        RefreshLoopError,
        ServerBusyError,
        SessionError,
        SignedOut,
        SignInError,
        StorageError,
        Unreachable,
    )
    from perennial.server import Endpoints
    from perennial.session import Lease, Session, Times
    from perennial.stores import (
        CallbackStore,
        FileStore,
        KeyringStore,
        MemoryStore,
        SqliteStore,
    )

__all__ = [
    "Account",
    "Accounts",
    "CallbackStore",
    "ConfigError",
    "DeviceCode",
    "Endpoints",
    "FileStore",
    "KeyringStore",
    "Lease",
    "MemoryStore",
    "OfflineError",
    "Pending",
    "ProtocolError",
    "ReauthRequired",
    "RefreshLoopError",
    "ServerBusyError",
    "Session",
    "SessionError",
    "SignInError",
    "SignedOut",
    "SqliteStore",
    "State",
    "StorageError",
    "Times",
    "Unreachable",
]

_ELSEWHERE = {
    "Account": "accounts",
    "Accounts": "accounts",
    "CallbackStore": "stores",
    "DeviceCode": "device_flow",
    "Endpoints": "server",
    "FileStore": "stores",
    "KeyringStore": "stores",
    "Lease": "session",
    "MemoryStore": "stores",
    "Pending": "code_flow",
    "Session": "session",
    "SqliteStore": "stores",
    "State": "book",
    "Times": "session",
}


def __getattr__(name: str) -> object:
    """Each is imported when it is first asked for (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'errors')}"), name)
    return globals().setdefault(name, found)
