"""The course of one refresh, cut before each statement, over a row that is a value.

What is decided comes from the product: `core.rotation` and `core.sessions` judge, the use case's
own `_refused` words a refusal. What the product does with a connection is mirrored here, because
a connection can be neither copied nor asked for every interleaving:

* `_read`, `_swap`, `_look_again` and `_end` are `_attempt`, `_swapped`, `_overtaken` and `_ended`
  of `app/protocol/refresh.py`, with its three attempts;
* `swapped` and `ended` are S2 and S3 of `app/store/sessions.py`.

The machine compares this mirror with both databases after every statement (I19); the explorer
walks through all that it can come to.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

from app.core import rotation, scopes, sessions
from app.core.clients import Client
from app.core.outcomes import ErrorCode, Refused
from app.core.refresh_token import Availability, RefreshToken, Ring
from app.core.rotation import (
    Heal,
    Policy,
    Presented,
    Refusal,
    Refuse,
    Repeat,
    Reuse,
    Rotate,
    Rule,
)
from app.core.sessions import EndReason, Session, State
from app.protocol import refresh as use_case
from app.protocol.responses import busy
from app.store.sessions import Swap


class Stage(Enum):
    """The statement that comes next."""

    READ = auto()
    SWAP = auto()
    LOOK_AGAIN = auto()
    END = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """A request and whom it reached; nothing here changes while it is served."""

    token: RefreshToken
    client: Client
    ring: Ring
    policy: Policy
    key: str | None = None
    scope: str | None = None
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """A request between two statements: what it has read, and when."""

    stage: Stage = Stage.READ
    attempt: int = 1
    session: Session | None = None
    presented: Presented | None = None
    verdict: Rotate | Heal | Reuse | None = None
    now: int = 0


@dataclass(frozen=True, slots=True)
class Granted:
    """200, with the token of this generation under this secret."""

    rule: Rule
    generation: int
    secret_id: int
    scope: str
    idle_expires_at: int
    read_at: int


Next = tuple[Held | Granted | Refused, Session | None]
"""Where the request stands after a statement, and the row."""


def step(ask: Ask, held: Held, row: Session | None, now: int) -> Next:
    """Carry out one statement and everything up to the next."""
    match held.stage:
        case Stage.READ:
            return _read(ask, held, row, now), row
        case Stage.SWAP:
            return _swap(ask, held, row)
        case Stage.LOOK_AGAIN:
            return _look_again(ask, held, row, now), row
        case Stage.END:
            return _end(held, row)


def _read(ask: Ask, held: Held, row: Session | None, now: int) -> Held | Granted | Refused:
    presented = rotation.present(
        ask.token,
        ask.ring,
        row,
        ask.client.client_id,
        key=ask.key,
        scope=ask.scope,
        wanted=ask.resources,
    )
    verdict = rotation.judge(row, presented, now, ask.policy)
    if isinstance(verdict, Refuse):
        return use_case._refused(ask.client, row, verdict)
    assert row is not None
    if isinstance(verdict, Repeat):
        return _granted(ask, verdict.rule, row, now)
    stage = Stage.END if isinstance(verdict, Reuse) else Stage.SWAP
    return Held(stage, held.attempt, row, presented, verdict, now)


def _swap(ask: Ask, held: Held, row: Session | None) -> Next:
    read, presented, verdict = held.session, held.presented, held.verdict
    assert read is not None
    assert presented is not None
    assert isinstance(verdict, Rotate | Heal)
    swap = Swap(
        from_generation=read.generation,
        to_generation=verdict.to_generation,
        secret_id=ask.ring.active,
        rotated_at=held.now,
        key_hash=rotation.remembered_key(read, presented),
        idle_expires_at=sessions.idle_end(held.now, read.idle_ttl, read.expires_at),
    )
    new = swapped(row, swap, even_idle=isinstance(verdict, Heal))
    if new is None:
        return replace(held, stage=Stage.LOOK_AGAIN), row
    return _granted(ask, verdict.rule, new, held.now), new


def _look_again(ask: Ask, held: Held, row: Session | None, now: int) -> Held | Granted | Refused:
    if isinstance(held.verdict, Heal) or row is None:
        return _once_more(held)
    ahead = ask.token.generation > row.generation
    state = sessions.state(row, now, judge_idle=not ahead)
    if state is not State.LIVE:
        return use_case._refused(ask.client, row, Refuse(Rule.R2_OVER, Refusal.OVER, state))
    window, late = ask.policy.window, now - held.now > ask.policy.window
    if ahead or window == 0 or late or not _derivable(ask, row):
        return busy()
    assert held.verdict is not None
    # The product signs before the swap and takes the remaining times afterwards.
    return _granted(ask, held.verdict.rule, row, now)


def _derivable(ask: Ask, row: Session) -> bool:
    return ask.ring.availability(row.secret_id) is Availability.HELD


def _once_more(held: Held) -> Held | Refused:
    return busy() if held.attempt == use_case.ATTEMPTS else Held(attempt=held.attempt + 1)


def _end(held: Held, row: Session | None) -> Next:
    answer = Refused(error=ErrorCode.INVALID_GRANT, reason=State.REUSED)
    return answer, ended(row, held.now, EndReason.REUSE)


def _granted(ask: Ask, rule: Rule, row: Session, read_at: int) -> Granted:
    scope = scopes.narrow(ask.scope, row.scope)
    assert scope is not None
    return Granted(rule, row.generation, row.secret_id, scope, row.idle_expires_at, read_at)


def swapped(row: Session | None, swap: Swap, *, even_idle: bool) -> Session | None:
    """S2: the new row, or None when the row is not as it was read or has ended."""
    if row is None or row.generation != swap.from_generation or row.revoked_at is not None:
        return None
    if row.expires_at <= swap.rotated_at:
        return None
    if not even_idle and row.idle_expires_at <= swap.rotated_at:
        return None
    return replace(
        row,
        generation=swap.to_generation,
        secret_id=swap.secret_id,
        rotated_at=swap.rotated_at,
        rotation_key_hash=swap.key_hash,
        idle_expires_at=swap.idle_expires_at,
    )


def ended(row: Session | None, now: int, reason: EndReason) -> Session | None:
    """S3: the row with its end, which is final."""
    if row is None or row.revoked_at is not None:
        return row
    return replace(row, revoked_at=now, revoke_reason=reason.value)
