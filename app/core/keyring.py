"""Life cycle of signing keys: a key's state follows from its dates, so nothing has to run at the
moment it changes. Times and durations are UTC milliseconds.

```
created ──► next ──► active ──► retiring ──► retired
            published,  signs     verifies     out of the
            not used              only         key set
```
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

MARGIN = 30_000
"""Allowance for clocks and caches beyond what was announced."""


LONGEST_WAIT = 60_000
"""How long one ceremony may wait for another."""


class KeyState(StrEnum):
    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"
    COMPROMISED = "compromised"


@dataclass(frozen=True, slots=True)
class Key:
    """What is known about a key besides its material.

    `announced_max_age` is the longest time any verifier was ever told it may cache the key set,
    `longest_token` the longest lifetime of a token it may have signed.
    """

    kid: str
    alg: str
    created_at: int
    announced_max_age: int
    longest_token: int
    signs_from: int | None = None
    retires_at: int | None = None
    compromised_at: int | None = None

    def known_everywhere_at(self) -> int:
        """When every verifier that keeps to the announced caching has met this key."""
        return self.created_at + self.announced_max_age + MARGIN


def state(key: Key, keys: Sequence[Key], now: int) -> KeyState:
    if key.compromised_at is not None:
        return KeyState.COMPROMISED
    if key.retires_at is not None and key.retires_at <= now:
        return KeyState.RETIRED
    if key.signs_from is None or key.signs_from > now:
        return KeyState.NEXT
    return KeyState.ACTIVE if key == active(keys, now) else KeyState.RETIRING


def active(keys: Sequence[Key], now: int) -> Key | None:
    """The one key that signs: of those whose time has come, the last."""
    started = [
        (key.signs_from, key.kid, key)
        for key in keys
        if key.signs_from is not None
        and key.signs_from <= now
        and key.compromised_at is None
        and (key.retires_at is None or key.retires_at > now)
    ]
    return max(started, key=lambda entry: entry[:2])[2] if started else None


def published(keys: Sequence[Key], now: int) -> list[Key]:
    """The key set verifiers see: everything that signs, will sign, or has signed lately."""
    shown = {KeyState.NEXT, KeyState.ACTIVE, KeyState.RETIRING}
    return [key for key in keys if state(key, keys, now) in shown]


@dataclass(frozen=True, slots=True)
class Promotion:
    """The dates to write: `promoted` begins to sign, `superseded` keys verify until their end."""

    promoted: Key
    superseded: tuple[Key, ...]

    def early(self) -> bool:
        """Whether some verifier may not have met the key when it first signs."""
        start = self.promoted.signs_from
        return start is not None and start < self.promoted.known_everywhere_at()


@dataclass(frozen=True, slots=True)
class AlreadyScheduled:
    kid: str
    signs_from: int


def promote(keys: Sequence[Key], now: int, *, at_once: bool) -> Promotion | AlreadyScheduled | None:
    """Plan the next promotion: now, or as soon as the key is known everywhere.

    None when there is no key to promote. A promotion that is scheduled stands unless `at_once`.
    """
    waiting = sorted(
        (key for key in keys if state(key, keys, now) is KeyState.NEXT),
        key=lambda key: (key.signs_from is None, key.created_at, key.kid),
    )
    if not waiting:
        return None
    candidate = waiting[0]
    if candidate.signs_from is not None and not at_once:
        return AlreadyScheduled(candidate.kid, candidate.signs_from)
    start = now if at_once else max(now, candidate.known_everywhere_at())
    superseded = tuple(
        replace(key, retires_at=start + key.longest_token + MARGIN)
        for key in keys
        if state(key, keys, now) is KeyState.ACTIVE
    )
    return Promotion(replace(candidate, signs_from=start), superseded)


def prolonged(keys: Sequence[Key], now: int, longest_token: int) -> list[Key]:
    """Keys that still sign but are to be superseded, kept for tokens that now may live longer."""
    starts = [key.signs_from for key in keys if key.signs_from is not None and key.signs_from > now]
    if not starts:
        return []
    end = min(starts) + longest_token + MARGIN
    return [
        replace(key, retires_at=end)
        for key in keys
        if key.retires_at is not None
        and key.retires_at < end
        and state(key, keys, now) is KeyState.ACTIVE
    ]


def caught_up(keys: Sequence[Key], now: int) -> int:
    """The time after a wait for others: not before what they have just done.

    The clock was read before the wait. What lies further ahead was made by a clock that was wrong.
    """
    made = [key.created_at for key in keys if key.created_at <= now + LONGEST_WAIT]
    return max([now, *made])


def is_due(key: Key, interval: int, now: int) -> bool:
    """Whether the key has signed for as long as a key should."""
    return key.signs_from is not None and now - key.signs_from >= interval


def needs_successor(keys: Sequence[Key], now: int) -> bool:
    """Whether no key waits unscheduled: one should, so that it is known before it is needed."""
    return not any(
        key.signs_from is None and state(key, keys, now) is KeyState.NEXT for key in keys
    )


def acted_since(keys: Sequence[Key], moment: int, now: int) -> bool:
    """Whether somebody made or promoted a key between the moment a command was called and now."""
    return any(
        moment <= key.created_at <= now
        or (key.signs_from is not None and moment <= key.signs_from <= now)
        for key in keys
    )
