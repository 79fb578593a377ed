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

MOST_RETIRING = 64
"""Keys that wait for their last token, however short the interval: verifiers refuse a set that is too
long, ours one of more than a hundred keys.
"""

LONGEST_WAIT = 60_000
"""How long one ceremony may wait for another."""

MOST_WAITING = 16
"""Keys published ahead, however short the interval: every verifier reads them all."""

KEPT = 90 * 24 * 3600 * 1000
"""How long a key that has left the set is remembered."""


class Algorithm(StrEnum):
    """JWS algorithms a key may be made for (RFC 7518 §3.1, RFC 8037 §3.1)."""

    RS256 = "RS256"
    PS256 = "PS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"


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
    `longest_token` the longest lifetime of a token it may have signed. At `dropped_at` its private
    half was destroyed.
    """

    kid: str
    alg: Algorithm
    created_at: int
    announced_max_age: int
    longest_token: int
    signs_from: int | None = None
    retires_at: int | None = None
    compromised_at: int | None = None
    dropped_at: int | None = None

    def known_everywhere_at(self) -> int:
        """When every verifier that keeps to the announced caching has met this key."""
        return self.created_at + self.announced_max_age + MARGIN

    def is_scheduled(self, now: int) -> bool:
        return self.signs_from is not None and self.signs_from > now


@dataclass(frozen=True, slots=True)
class Policy:
    """What this host wants of its keys, and what it promises about them."""

    alg: Algorithm
    interval: int
    """How long a key signs."""
    max_age: int
    """How long a verifier may cache the key set."""
    longest_token: int


def state(key: Key, keys: Sequence[Key], now: int) -> KeyState:
    if key.compromised_at is not None:
        return KeyState.COMPROMISED
    if _has_left(key, now):
        return KeyState.RETIRED
    if key.signs_from is None or key.signs_from > now:
        return KeyState.NEXT
    return KeyState.ACTIVE if key == active(keys, now) else KeyState.RETIRING


def _has_left(key: Key, now: int) -> bool:
    return key.dropped_at is not None or (key.retires_at is not None and key.retires_at <= now)


def active(keys: Sequence[Key], now: int) -> Key | None:
    """The one key that signs: of those whose time has come, the last."""
    started = [
        (key.signs_from, key.kid, key)
        for key in keys
        if key.signs_from is not None
        and key.signs_from <= now
        and key.compromised_at is None
        and not _has_left(key, now)
    ]
    return max(started, key=lambda entry: entry[:2])[2] if started else None


def published(keys: Sequence[Key], now: int) -> list[Key]:
    """The key set verifiers see: everything that signs, will sign, or has signed lately."""
    shown = {KeyState.NEXT, KeyState.ACTIVE, KeyState.RETIRING}
    return [key for key in keys if state(key, keys, now) in shown]


def waiting(keys: Sequence[Key], now: int) -> list[Key]:
    """Keys that have not signed yet: the scheduled ones, then the oldest."""
    return sorted(
        (key for key in keys if state(key, keys, now) is KeyState.NEXT),
        key=lambda key: (key.signs_from is None, key.created_at, key.kid),
    )


def announced(keys: Sequence[Key], policy: Policy) -> int:
    """The longest caching that was ever announced: no later setting takes it back."""
    return max([policy.max_age, *(key.announced_max_age for key in keys)])


@dataclass(frozen=True, slots=True)
class Promotion:
    """The dates to write: `promoted` begins to sign, `superseded` keys verify until their end."""

    promoted: Key
    superseded: tuple[Key, ...]

    def dates(self) -> tuple[Key, ...]:
        return (self.promoted, *self.superseded)

    def early(self) -> bool:
        """Whether some verifier may not have met the key when it first signs."""
        start = self.promoted.signs_from
        return start is not None and start < self.promoted.known_everywhere_at()


@dataclass(frozen=True, slots=True)
class AlreadyScheduled:
    kid: str
    signs_from: int


def promote(
    keys: Sequence[Key], now: int, *, at_once: bool, alg: Algorithm = Algorithm.RS256
) -> Promotion | AlreadyScheduled | None:
    """Promote the next key now, or as soon as it is known everywhere; one for `alg` if there is.

    None when there is no key to promote. A promotion that is scheduled stands unless `at_once`.
    """
    candidates = waiting(keys, now)
    if not candidates:
        return None
    preferred = [key for key in candidates if key.is_scheduled(now) or key.alg == alg]
    candidate = (preferred or candidates)[0]
    if candidate.signs_from is not None and not at_once:
        return AlreadyScheduled(candidate.kid, candidate.signs_from)
    return _promotion(candidate, keys, now, now if at_once else _soonest(candidate, now))


def _soonest(key: Key, now: int) -> int:
    return max(now, key.known_everywhere_at())


def _promotion(candidate: Key, keys: Sequence[Key], now: int, start: int) -> Promotion:
    superseded = tuple(
        replace(key, retires_at=start + key.longest_token + MARGIN)
        for key in keys
        if state(key, keys, now) is KeyState.ACTIVE
    )
    return Promotion(replace(candidate, signs_from=start), superseded)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is due: a promotion, keys to publish ahead, keys to drop with the dates to write."""

    promotion: Promotion | None = None
    lacking: int = 0
    dropped: tuple[Key, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.promotion or self.lacking or self.dropped)


def plan(keys: Sequence[Key], now: int, policy: Policy) -> Plan:
    """What the life cycle asks for at this moment.

    A key signs for the interval, and longer when nobody may know its successor yet or too many
    retire. One waits at all times, and as many as must be published now to be known when their turn
    comes. A waiting key of an algorithm that is no longer wanted goes once the wanted one signs.
    """
    current = active(keys, now)
    gone = tuple(
        replace(key, dropped_at=now)
        for key in keys
        if key.dropped_at is None
        and state(key, keys, now) in {KeyState.RETIRED, KeyState.COMPROMISED}
    )
    if current is None:
        return Plan(dropped=gone)
    candidates = waiting(keys, now)
    scheduled = [key for key in candidates if key.signs_from is not None]
    ready = [key for key in candidates if key.alg == policy.alg and key not in scheduled]
    promotion, last = None, current
    if scheduled:
        last = scheduled[-1]
    elif _may_follow(current, keys, now, policy) and ready and _soonest(ready[0], now) == now:
        promotion = _promotion(ready[0], keys, now, now)
        last = promotion.promoted
    wanted = _wanted(last, keys, now, policy) + (promotion is not None)
    if current.alg == policy.alg:
        gone += tuple(
            replace(key, retires_at=now, dropped_at=now)
            for key in candidates
            if key.alg != policy.alg and key not in scheduled
        )
    return Plan(promotion, max(0, wanted - len(ready)), gone)


def _may_follow(current: Key, keys: Sequence[Key], now: int, policy: Policy) -> bool:
    if not is_due(current, policy, now):
        return False
    retiring = [key for key in published(keys, now) if key.retires_at is not None]
    return len(retiring) < MOST_RETIRING


def is_due(current: Key, policy: Policy, now: int) -> bool:
    """Whether the key that signs should make room for another."""
    return now >= due_at(current, policy) or current.alg != policy.alg


def due_at(current: Key, policy: Policy) -> int:
    assert current.signs_from is not None, "it signs, or will"
    return current.signs_from + policy.interval


def _wanted(last: Key, keys: Sequence[Key], now: int, policy: Policy) -> int:
    """How many keys have to wait: those whose turn, counted from the last one's, is near."""
    ahead = announced(keys, policy) + MARGIN
    first_turn = max(now, due_at(last, policy))
    return min(MOST_WAITING, 1 + max(0, now + ahead - first_turn) // policy.interval)


def next_transition(keys: Sequence[Key], now: int, policy: Policy) -> int | None:
    """When a key is next to begin to sign or to leave the set; None when nothing is foreseen."""
    current = active(keys, now)
    moments = [
        moment
        for key in published(keys, now)
        for moment in (key.signs_from, key.retires_at)
        if moment is not None and moment > now
    ]
    if current is not None and not is_due(current, policy, now):
        moments.append(due_at(current, policy))
    elif current is not None and _may_follow(current, keys, now, policy):
        moments += [_soonest(key, now) for key in waiting(keys, now)[:1]]
    return min(moments, default=None)


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


def acted_since(keys: Sequence[Key], moment: int, now: int) -> bool:
    """Whether somebody made or promoted a key between the moment a command was called and now."""
    return any(
        moment <= key.created_at <= now
        or (key.signs_from is not None and moment <= key.signs_from <= now)
        for key in keys
    )


@dataclass(frozen=True, slots=True)
class Compromise:
    """The dates to write: `lost` is no longer believed, `changed` are others; who signs now, if
    it was the one that signed.
    """

    lost: Key
    changed: tuple[Key, ...] = ()
    promoted: Key | None = None


@dataclass(frozen=True, slots=True)
class NobodyReady:
    """The key signs, and no other may sign yet; `known_at` is when one may, if one waits."""

    known_at: int | None


def compromise(keys: Sequence[Key], key: Key, now: int) -> Compromise | NobodyReady:
    """Stop believing in a key; when it signs, the next one that every verifier knows takes over."""
    lost = replace(key, compromised_at=now, dropped_at=now)
    others = [other for other in keys if other.kid != key.kid]
    if key.is_scheduled(now):
        kept = [other for other in others if state(other, keys, now) is KeyState.ACTIVE]
        return Compromise(lost, tuple(replace(other, retires_at=None) for other in kept))
    if state(key, keys, now) is not KeyState.ACTIVE:
        return Compromise(lost)
    candidates = waiting(others, now)
    known = [each for each in candidates if each.known_everywhere_at() <= now]
    if not known:
        return NobodyReady(min((each.known_everywhere_at() for each in candidates), default=None))
    free = [each for each in candidates if each.is_scheduled(now) and each != known[0]]
    changed = tuple(replace(each, signs_from=None) for each in free)
    return Compromise(lost, changed, replace(known[0], signs_from=now))
