"""What happens to a session, told to whoever listens, outside every lock."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

# Events are not frozen: freezing eleven classes took a tenth of the time that an import takes.
Initiator = Literal["user", "sibling", "server", "nobody"]


@dataclass(eq=False)
class Event:
    """No event carries token text."""

    name: ClassVar[str]


@dataclass(eq=False)
class Restored(Event):
    """A session was found in the store, and is usable."""

    name: ClassVar[str] = "restored"


@dataclass(eq=False)
class SignedIn(Event):
    name: ClassVar[str] = "signed_in"


@dataclass(eq=False)
class Refreshed(Event):
    """New tokens, from the server or by a sibling who shares the store."""

    name: ClassVar[str] = "refreshed"
    generation: int
    source: Literal["network", "sibling"]


@dataclass(eq=False)
class RefreshRetry(Event):
    """Attempt number `attempt` had no answer that settles anything; the next one is `delay` seconds
    away.
    """

    name: ClassVar[str] = "refresh_retry"
    attempt: int
    delay: float
    cause: str


@dataclass(eq=False)
class Offline(Event):
    """There is no usable access token, and none to be had now. The session is kept."""

    name: ClassVar[str] = "offline"


@dataclass(eq=False)
class Online(Event):
    name: ClassVar[str] = "online"


@dataclass(eq=False)
class SessionExpiring(Event):
    """The session itself, not its access token, is over in so many seconds."""

    name: ClassVar[str] = "session_expiring"
    seconds_left: float


@dataclass(eq=False)
class ReauthRequired(Event):
    name: ClassVar[str] = "reauth_required"
    reason: str


@dataclass(eq=False)
class SignedOut(Event):
    name: ClassVar[str] = "signed_out"
    initiator: Initiator


@dataclass(eq=False)
class RefreshLoop(Event):
    """New tokens are refused as soon as they come; refreshing pauses for so many seconds."""

    name: ClassVar[str] = "refresh_loop"
    pause: float


@dataclass(eq=False)
class StorageDegraded(Event):
    """The session is safe in memory only, or what was stored could not be understood."""

    name: ClassVar[str] = "storage_degraded"
    cause: str


Listener = Callable[[Event], object]
LOG = logging.getLogger("perennial")


class Bell:
    """Rings one event after the other, in the thread that has just made one: a listener may call
    any method of the session, and what that makes is rung after it.
    """

    def __init__(self) -> None:
        self._listeners: list[tuple[str | None, Listener]] = []
        self._waiting: deque[Event] = deque()
        self._mutex = threading.Lock()
        self._ringing = False

    def add(self, name: str | None, listener: Listener) -> Callable[[], None]:
        """For the events of that name, or all. Returns what removes it."""
        entry = (name, listener)
        self._listeners = [*self._listeners, entry]

        def remove() -> None:
            self._listeners = [each for each in self._listeners if each is not entry]

        return remove

    def put(self, *events: Event) -> None:
        self._waiting.extend(events)

    def ring(self) -> None:
        """To be called outside every lock."""
        while True:
            with self._mutex:
                if self._ringing or not self._waiting:
                    return
                event, self._ringing = self._waiting.popleft(), True
            try:
                self._tell(event)
            finally:
                self._ringing = False

    def _tell(self, event: Event) -> None:
        for name, listener in self._listeners:
            if name in {None, event.name}:
                try:
                    listener(event)
                except Exception:
                    LOG.exception("a listener of %s failed", event.name)
