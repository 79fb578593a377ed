"""How fast a process may ask its server: after trouble, and when new tokens are no good."""

from collections import deque

from perennial.clock import Clock
from perennial.errors import RefreshLoopError, ServerBusyError, SessionError, StorageError
from perennial.retry import Trouble

MOST_FORCED, FORCED_WITHIN = 5, 30.0
BREATH = 1.0


class Pace:
    """Moments are those of the monotonic clock. Not for two threads at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._forced: deque[float] = deque()
        self.tries = 0
        self.trouble: SessionError | None = None
        self.start_again()

    def start_again(self) -> None:
        """Another session owes nothing for the last one."""
        self._forced.clear()
        self._spared_until = self._busy_until = self._clock.monotonic()
        self.hurry()

    def hurry(self) -> None:
        """The network is back: try at once, unless it is the server that asked for a pause."""
        self.tries, self.trouble = 0, None
        self._quiet_until = self._breath_until = self._clock.monotonic()

    def settled(self) -> None:
        self.tries, self.trouble = 0, None

    def may_try(self) -> bool:
        """Though nobody waits for it."""
        now = self._clock.monotonic()
        return now >= max(self._quiet_until, self._busy_until, self._spared_until)

    def breath(self) -> float:
        """Seconds that even those who wait have to wait: many in a hurry are not to ask at once."""
        return max(0.0, self._breath_until - self._clock.monotonic())

    def held_off(self) -> Trouble | None:
        """A server that asked for a pause gets it, whoever asks meanwhile."""
        left = self._busy_until - self._clock.monotonic()
        error = ServerBusyError("the authorization server asked to wait", left)
        return Trouble(error, wait=left) if left > 0 else None

    def after(self, trouble: Trouble, pause: float) -> None:
        now = self._clock.monotonic()
        self.trouble = trouble.error
        self._quiet_until = now + pause
        if trouble.wait is not None:
            self._busy_until = now + trouble.wait
        elif not isinstance(trouble.error, StorageError):
            self._breath_until = now + (BREATH if pause else 0.0)

    def spare(self, seconds: float) -> None:
        """What may be the last use of a refresh token waits until it has to be."""
        self._spared_until = self._clock.monotonic() + seconds

    def rest(self) -> None:
        """After what trying again does not mend."""
        self._quiet_until = self._clock.monotonic() + FORCED_WITHIN

    def spend(self) -> None:
        """Tokens that are refused as soon as they come are not to be fetched for ever."""
        now = self._clock.monotonic()
        while self._forced and self._forced[0] <= now - FORCED_WITHIN:
            self._forced.popleft()
        if len(self._forced) >= MOST_FORCED:
            raise RefreshLoopError(self._forced[0] + FORCED_WITHIN - now)
        self._forced.append(now)
