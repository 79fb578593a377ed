"""Who is registered: clients, origins and resources, read through a cache of five seconds.

Five seconds is therefore how long a disabled client or a replaced secret may still be honoured.
What is not found is not remembered, so a new registration works at once.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine

from app.core.clients import Client
from app.store import clients

FRESH = 5_000
LARGEST = 10_000


Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Read(Generic[Value]):
    at: int
    value: Value

    def fresh(self, now: int) -> bool:
        return 0 <= now - self.at < FRESH


class Registry:
    def __init__(self, rotations: Engine) -> None:
        self._engine = rotations
        self._clients: OrderedDict[str, _Read[Client]] = OrderedDict()
        self._members: OrderedDict[tuple[str, str], _Read[bool]] = OrderedDict()

    def client(self, client_id: str, now: int) -> Client | None:
        """The client, whether disabled or not."""
        known = self._clients.get(client_id)
        if known is not None and known.fresh(now):
            return known.value
        with self._engine.connect() as connection:
            found = clients.find(connection, client_id)
        if found is None:
            self._clients.pop(client_id, None)
            return None
        self._clients[client_id] = _Read(now, found)
        _bound(self._clients)
        return found

    def is_origin(self, origin: str, now: int) -> bool:
        """Whether an enabled client registered this origin."""
        return self._found(("origin", origin), now, clients.has_origin)

    def is_resource(self, uri: str, now: int) -> bool:
        """Whether an enabled resource server registered this URI."""
        return self._found(("resource", uri), now, clients.has_resource)

    def _found(
        self, what: tuple[str, str], now: int, look: Callable[[Connection, str], bool]
    ) -> bool:
        known = self._members.get(what)
        if known is not None and known.fresh(now):
            return True
        with self._engine.connect() as connection:
            found = look(connection, what[1])
        self._members.pop(what, None)
        if found:
            self._members[what] = _Read(now, value=True)
            _bound(self._members)
        return found


def _bound(cache: OrderedDict[Any, Any]) -> None:
    """Whoever asks for how much, a cache stays small: the oldest entries go."""
    while len(cache) > LARGEST:
        cache.popitem(last=False)
