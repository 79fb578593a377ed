"""The refresh, step by step and without doing any of them: whoever drives a flow reads, swaps,
sends and waits for it. So each step can be tested, and be the last one before a crash.
"""

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, Literal, NamedTuple, TypeVar

from perennial.answers import Answer, Refused, Unsettled
from perennial.errors import StorageError
from perennial.record import Granted, Record, Standing

SECOND_LOOKS = (0.0, 0.05, 0.2)
MOST_SWAPS = 20
UNSURE = 1000
RESTLESS = "the store changes faster than it can be written"


class Read(NamedTuple):
    """Answered with what the store holds, `Record | None`; with `partly`, though its refresh token be
    withheld.
    """

    partly: bool = False


class Swap(NamedTuple):
    """Answered with whether `record` replaced version `expected`."""

    expected: int
    record: Record


class Send(NamedTuple):
    """The refresh token of `record`, with its intent as `Idempotency-Key`; an `Answer` comes."""

    record: Record


class Pause(NamedTuple):
    seconds: float


T = TypeVar("T")
Step = Read | Swap | Send | Pause
Steps = Generator[Step, Any, T]


class Current(NamedTuple):
    """These are the tokens to use, by this refresh or by what a sibling has stored."""

    record: Record
    source: Literal["network", "sibling"]


class Over(NamedTuple):
    """The session has ended, or somebody signed out."""

    record: Record


class Failed(NamedTuple):
    """No new tokens; the session is as it was."""

    record: Record
    why: Refused | Unsettled


class Unstored(NamedTuple):
    """`renewed` is good but only in memory: the store could not take it in the place of `base`."""

    base: Record
    renewed: Record


class Overtaken(NamedTuple):
    """Somebody signed out, or in, meanwhile: `record` counts, and `to_revoke` belongs to nobody."""

    record: Record
    to_revoke: str | None

    def __repr__(self) -> str:
        return f"Overtaken(record={self.record!r})"


Outcome = Current | Over | Failed | Unstored | Overtaken


def look() -> Steps[Record | None]:
    """What is there."""
    return (yield from _read())


def glance(known: Record | None, due: Callable[[Record], bool]) -> Steps[Outcome | None]:
    """What a sibling has stored may be all that is needed; None when it is not."""
    there = yield from _read()
    if there is None or (known is not None and known.newer_than(there)):
        return None
    if known is not None and not there.newer_than(known) and due(there):
        return None
    if not there.active:
        return Over(there)
    return None if due(there) else Current(there, "sibling")


def refresh(
    known: Record | None, due: Callable[[Record], bool], new_key: Callable[[], str]
) -> Steps[Outcome]:
    """To be driven while the store's lock is held. `due` says of a record whether it needs new
    tokens. `StorageError` before anything was sent: without a written intent a crash could look
    like theft.
    """
    record = yield from _intend(known, due, new_key)
    if isinstance(record, Current | Over):
        return record
    answer: Answer = yield Send(record)
    if isinstance(answer, Granted):
        return (yield from keep(record, record.renewed(answer)))
    return Failed(record, answer)


def _intend(
    known: Record | None, due: Callable[[Record], bool], new_key: Callable[[], str]
) -> Steps[Record | Current | Over]:
    """The record to send, with an intent that every sibling will find."""
    for _ in range(MOST_SWAPS):
        there = yield from _read()
        record = _newest(there, known)
        if record is None:
            return Over(Record(reason="nobody"))
        if not record.active:
            return Over(record)
        if not due(record):
            return Current(record, "sibling")
        if record.refresh_token is None:
            return (yield from _end(record, "session_expired"))
        if record is there and there.intent is not None:
            return there
        same = there is not None and there.refresh_token == record.refresh_token
        key = (there.intent if there is not None and same else None) or record.intent or new_key()
        if (yield from _swap(_version(there), record.after(there).intending(key))):
            return record.after(there).intending(key)
    raise StorageError(RESTLESS)


def _newest(there: Record | None, known: Record | None) -> Record | None:
    """A store that lost what it held, or went back in time, gets it back from who still knows it."""
    if there is None or (known is not None and known.newer_than(there)):
        return known
    return there


def keep(base: Record, renewed: Record) -> Steps[Outcome]:
    """Store `renewed` in the place of `base`, unless something newer is there: new tokens, or a
    sign-in or sign-out that the store could not take.
    """
    enters = base.epoch != renewed.epoch
    for _ in range(MOST_SWAPS):
        try:
            if (yield from _swap(base.version, renewed)):
                return Current(renewed, "network")
            there = yield from _read()
        except StorageError:
            return Unstored(base, renewed)
        if there is None:
            base = replace(base, version=0)
            continue
        if there.epoch > renewed.epoch + (UNSURE if enters else 0):
            return Overtaken(there, renewed.refresh_token)
        if enters or there.epoch < renewed.epoch:
            renewed = renewed.owing((), there.to_revoke).since(there)
        elif there.active and there.generation >= renewed.generation:
            return Current(there, "sibling")
        # A sibling that thought the session was over knew less than this.
        base, renewed = there, replace(renewed, version=max(renewed.version, there.version + 1))
    return Unstored(base, renewed)


def refused(record: Record, reason: str) -> Steps[Outcome]:
    """After `invalid_grant`, and without the lock: over, unless a sibling knows better. Where the
    store cannot be written the session is over in memory all the same.
    """
    for pause in SECOND_LOOKS:
        if pause:
            yield Pause(pause)
        there = yield from _read()
        if there is not None and there.newer_than(record):
            break
    return (yield from _end(record, reason))


def _end(record: Record, reason: str) -> Steps[Over | Current]:
    expected = record.version
    for _ in range(MOST_SWAPS):
        over = record.ended(reason)
        try:
            if (yield from _swap(expected, over)):
                return Over(over)
            there = yield from _read()
        except StorageError:
            return Over(over)
        if there is None:
            return Over(over)
        if there.newer_than(record):
            return Current(there, "sibling") if there.active else Over(there)
        if not record.newer_than(there):
            if there.standing is Standing.ENDED:
                return Over(there)
            record = there
        expected, record = there.version, record.after(there)
    return Over(record.ended(reason))


def replace_by(make: Callable[[Record], Record], *, anew: bool = False) -> Steps[Record]:
    """Put what `make` makes of the present record in its place: a sign-in, a sign-out. The record
    that was written; `StorageError` when the store cannot. `anew`: also in the place of one whose
    refresh token is withheld, or that is another owner's: nothing of it is needed.
    """
    for _ in range(MOST_SWAPS):
        there = (yield from _read(partly=anew)) or Record()
        if there.standing is Standing.ELSEWHERE and not anew:
            return there
        made = make(there)
        if (yield from _swap(there.version, made)):
            return made
    raise StorageError(RESTLESS)


def _read(*, partly: bool = False) -> Steps[Record | None]:
    there: Record | None = yield Read(partly)
    return there


def _swap(expected: int, record: Record) -> Steps[bool]:
    done: bool = yield Swap(expected, record)
    return done


def _version(there: Record | None) -> int:
    return 0 if there is None else there.version
