"""Something of the issuer's that is fetched, kept for a while, and fetched again in time."""

import logging
import os
import threading
import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from perennial.messages import Response, TransportError
from perennial.verify.errors import Unavailable, VerifyError
from perennial.verify.flight import Flight, Spawn

LOG = logging.getLogger("perennial.verify")
T = TypeVar("T")
Steps = Generator[Flight, None, T]

REFRESH_AHEAD = 0.8  # of the time a copy is fresh
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
JUST_NOW = 1.0


@dataclass(frozen=True, slots=True)
class Keeping:
    """Seconds. The server says how long its answer is fresh, `least` and `most` bound that,
    `usual` is for when it says nothing; for `stale` more seconds a copy is better than nothing.
    """

    least: float
    most: float
    usual: float
    stale: float

    def fresh(self, allowed: float | None) -> float:
        return min(max(self.usual if allowed is None else allowed, self.least), self.most)


@dataclass(frozen=True, slots=True)
class Copy(Generic[T]):
    """`lifetime` is the contents' own limit on how long they are fresh, in seconds."""

    value: T
    etag: str | None = None
    lifetime: float | None = None
    fetched_at: float = 0
    fresh_until: float = 0


Ask = Callable[[str | None], Response]
Read = Callable[[Response], Copy[T]]


class Document(Generic[T]):
    """Thread-safe. `ask` sends the request, with the entity tag of the copy at hand; `read`
    raises `ValueError` for an answer that is not what it should be. `timer` is monotonic.
    """

    def __init__(
        self,
        name: str,
        *,
        ask: Ask,
        read: Read[T],
        keeping: Keeping,
        timer: Callable[[], float],
        spawn: Spawn,
    ) -> None:
        self._name = name
        self._ask, self._read, self._keeping = ask, read, keeping
        self._timer, self._spawn = timer, spawn
        self._copy: Copy[T] | None = None
        self._failures = 0
        self._not_before = float("-inf")
        self._demanded_at = float("-inf")
        self.after_fork()
        _DOCUMENTS.add(self)

    def after_fork(self) -> None:
        """Threads do not survive a fork, nor does what they held."""
        # Re-entrant, for a `spawn` that does the work at once.
        self._lock = threading.RLock()
        self._flight: Flight | None = None

    def get(self) -> Steps[T]:
        """The value; waits only if there is no fresh copy. Raises `Unavailable`."""
        flight = self._needed()
        if flight is not None:
            yield flight
        return self._usable()

    def get_newer(self, pause: float) -> Steps[T]:
        """The value, fetched again first unless that was done less than `pause` seconds ago."""
        with self._lock:
            now = self._timer()
            flight = self._flight
            new = self._copy is not None and now < self._copy.fetched_at + JUST_NOW
            allowed = max(self._demanded_at + pause, self._not_before)
            if flight is None and not new and now >= allowed:
                self._demanded_at = now
                flight = self._start()
        if flight is not None:
            yield flight
        return self._usable()

    def _needed(self) -> Flight | None:
        """What has to be waited for; a copy that is nearly old is fetched behind the scenes."""
        with self._lock:
            now, copy = self._timer(), self._copy
            fresh = copy is not None and now < copy.fresh_until
            due = copy is None or now >= _refresh_at(copy)
            if due and self._flight is None and now >= self._not_before:
                self._start()
            return None if fresh else self._flight

    def _usable(self) -> T:
        with self._lock:
            copy = self._copy
        if copy is None or self._timer() >= copy.fresh_until + self._keeping.stale:
            raise Unavailable(self._name)
        return copy.value

    def _start(self) -> Flight | None:
        """Called with the lock held; the work takes it when it is done."""
        copy = self._copy
        self._flight = flight = self._spawn(lambda: self._fetch(copy))
        if flight.done():
            self._flight = None
        return flight

    def _fetch(self, old: Copy[T] | None) -> None:
        try:
            fetched = self._fetched(old)
        except Exception as error:  # noqa: BLE001  # the next attempt must be possible whatever it was
            LOG.warning("%s of the issuer could not be fetched: %s", self._name, cause(error))
            fetched = None
        with self._lock:
            self._flight = None
            if fetched is None:
                self._failures += 1
                pause = min(FIRST_PAUSE * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE)
                self._not_before = self._timer() + pause
            else:
                self._failures = 0
                self._not_before = float("-inf")
                self._copy = fetched

    def _fetched(self, old: Copy[T] | None) -> Copy[T]:
        asked_at = self._timer()
        answer = self._ask(None if old is None else old.etag)
        if answer.status == 304 and old is not None:  # noqa: PLR2004
            copy = old
        elif answer.status == 200:  # noqa: PLR2004
            copy = replace(self._read(answer), etag=answer.headers.get("etag"))
        else:
            raise TransportError(f"status {answer.status}")
        fresh = self._keeping.fresh(answer.max_age)
        if copy.lifetime is not None:
            fresh = min(fresh, copy.lifetime)
        return replace(copy, fetched_at=asked_at, fresh_until=asked_at + fresh)


def cause(error: Exception) -> str:
    """For the log: the text of our own errors only, others could quote what they were given."""
    ours = isinstance(error, TransportError | VerifyError) or type(error) is ValueError
    return f"{type(error).__name__}: {error}" if ours else type(error).__name__


def _refresh_at(copy: Copy[T]) -> float:
    return copy.fetched_at + REFRESH_AHEAD * (copy.fresh_until - copy.fetched_at)


_DOCUMENTS: weakref.WeakSet[Document[Any]] = weakref.WeakSet()


def _renew_after_fork() -> None:
    for document in list(_DOCUMENTS):
        document.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)
