"""Status lists as this process knows them: read from the database at most twice a second, and only
what has ended since. Lists that nobody asks for are not read.
"""

import threading
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.core.status_list import blank, mark
from app.services.keystore import UnavailableError
from app.store import status_lists

FRESH = 500
OVERLAP = 60_000
"""An ending is dated before it is committed; timeouts keep the two within 20 seconds, and the clocks
of two hosts within 4.
"""
COMPLETE = 600_000
"""How often all of a list is read again: for what a process that stood still has dated long ago."""
SLIP = 100
"""How much later than a caller another thread of it may have looked at the clock."""
PATIENCE = 0.4
"""Seconds that a caller who could do with an older reading waits for a new one."""


@dataclass(frozen=True, slots=True)
class Reading:
    """`bits` as they were at `read_at`; everything was read at `complete_at` (UTC milliseconds)."""

    bits: bytes
    read_at: int
    complete_at: int

    def fresh(self, now: int, age: int = FRESH) -> bool:
        """Never after the clock was set back, or nothing would be read until it caught up."""
        return -SLIP <= now - self.read_at < age

    def incomplete(self, now: int) -> bool:
        """Whether something may have been dated so that only a look at everything finds it."""
        set_back = now < self.read_at - SLIP
        return set_back or not -SLIP <= now - self.complete_at < COMPLETE


@dataclass(frozen=True, slots=True, repr=False)
class Signed:
    """A list token, and what it was made of."""

    bits: bytes
    dates: tuple[int, int]
    kid: str
    text: str
    zipped: bytes


class StatusLists:
    """Safe to share between threads."""

    def __init__(self, rotations: Engine) -> None:
        self._rotations = rotations
        self._readings: dict[int, Reading] = {}
        self._locks: dict[int, threading.Lock] = {}
        self._outages = 0
        self.signed: dict[int, Signed] = {}

    def read(self, list_id: int, now: int, longest: int) -> Reading | None:
        """The list of now; None when there is none. While the database is away it may be an older
        one, of up to `longest` milliseconds. Raises `SQLAlchemyError` and `UnavailableError`.
        """
        reading = self._readings.get(list_id)
        if reading is not None and reading.fresh(now):
            return reading
        will_do = reading is not None and reading.fresh(now, longest)
        outages = self._outages
        lock = self._locks.setdefault(list_id, threading.Lock())
        if not lock.acquire(timeout=PATIENCE if will_do else -1):
            return reading
        try:
            current = self._readings.get(list_id)
            if current is not None and current is not reading and current.fresh(now, longest):
                return current
            if self._outages == outages:
                return self._renewed(list_id, current, now, longest)
            # Who waited meanwhile need not find out again, one by one, that the database is away.
            if current is not None and current.fresh(now, longest):
                return current
            raise UnavailableError("the status list could not be read")
        finally:
            lock.release()
            if list_id not in self._readings:
                self._locks.pop(list_id, None)  # or each name somebody invents would leave one

    def _renewed(self, list_id: int, old: Reading | None, now: int, longest: int) -> Reading | None:
        since = 0 if old is None or old.incomplete(now) else old.read_at - OVERLAP
        try:
            with self._rotations.connect() as connection:
                indices = status_lists.ended(connection, list_id, since)
        except SQLAlchemyError:
            self._outages += 1
            if old is not None and old.fresh(now, longest):
                return old
            raise
        if indices is None:
            self._forget(list_id)
            return None
        # Bits are only ever added: a database that has forgotten an ending brings nobody back.
        bits = blank() if old is None else bytearray(old.bits)
        mark(bits, indices)
        complete_at = old.complete_at if old and since else now
        same = old is not None and bits == old.bits
        renewed = Reading(old.bits if old and same else bytes(bits), now, complete_at)
        self._readings[list_id] = renewed
        return renewed

    def _forget(self, list_id: int) -> None:
        for kept in (self._readings, self._locks, self.signed):
            kept.pop(list_id, None)
