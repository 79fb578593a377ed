"""Who is registered: clients, origins and resources, read through a cache of five seconds.

Five seconds is therefore how long a disabled client or a replaced secret may still be honoured.
A new registration works at once; a new origin or resource within half a second.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Connection, Engine

from app.core.clients import Client
from app.store import clients

FRESH = 5_000
LARGEST = 10_000
PATIENCE = 500


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
        self._sets: dict[str, _Read[frozenset[str]]] = {}
        self._everybody: _Read[tuple[Client, ...]] | None = None

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
        while len(self._clients) > LARGEST:
            self._clients.popitem(last=False)
        return found

    def everybody(self, now: int) -> tuple[Client, ...]:
        """All clients, for the discovery document."""
        known = self._everybody
        if known is None or not known.fresh(now):
            with self._engine.connect() as connection:
                known = _Read(now, tuple(clients.everybody(connection)))
            self._everybody = known
        return known.value

    def is_origin(self, origin: str, now: int) -> bool:
        """Whether an enabled client registered this origin."""
        return self._contains("origins", clients.origins, origin, now)

    def is_resource(self, uri: str, now: int) -> bool:
        """Whether an enabled resource server registered this URI."""
        return self._contains("resources", clients.resources, uri, now)

    def _contains(
        self,
        name: str,
        read: Callable[[Connection], frozenset[str]],
        member: str,
        now: int,
    ) -> bool:
        known = self._sets.get(name)
        if known is not None and known.fresh(now) and member in known.value:
            return True
        if known is not None and 0 <= now - known.at < PATIENCE:
            return False  # strangers may ask often; the table is not read for each of them
        with self._engine.connect() as connection:
            found = read(connection)
        self._sets[name] = _Read(now, found)
        return member in found
