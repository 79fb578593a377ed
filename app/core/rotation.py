"""The decision table of refresh: a presented token and a session in, one verdict out.

`judge` is the whole of it. The rules are explained in docs/rotation.md; each has one place
here, in the order in which they are judged. Times and durations are milliseconds.
"""

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from app.core import resources, scopes, sessions
from app.core.binding import Binding, Proof
from app.core.refresh_token import Authenticity, Availability, RefreshToken, Ring
from app.core.sessions import Channel, Session, State


class Rule(StrEnum):
    R0_MALFORMED = "R0"
    R1_UNKNOWN = "R1"
    R1B_UNPROVEN = "R1b"
    R1C_SECRET_AWAITED = "R1c"  # noqa: S105  # a rule's name
    R2_OVER = "R2"
    R3_TOO_WIDE = "R3"
    R4_TOO_SOON = "R4"
    R5_CURRENT = "R5"
    R6_IN_WINDOW = "R6"
    R6K_SAME_REQUESTER = "R6k"
    R7_REUSED = "R7"
    R8_AHEAD = "R8"


class Refusal(StrEnum):
    """Why a token is refused: the operator's word. The wire says less."""

    MALFORMED = "malformed"
    UNKNOWN_SESSION = "unknown_session"
    FORGED = "forged"
    OTHER_CLIENT = "other_client"
    OTHER_CHANNEL = "other_channel"
    OTHER_INTERFACE = "other_interface"
    PROOF_FAILED = "proof_failed"
    SECRET_AWAITED = "secret_awaited"  # noqa: S105  # a reason
    SECRET_GONE = "secret_gone"  # noqa: S105  # a reason
    OVER = "session_over"
    SCOPE_TOO_WIDE = "scope_too_wide"
    RESOURCE_TOO_WIDE = "resource_too_wide"


@dataclass(frozen=True, slots=True)
class Policy:
    """What may differ per server and per client.

    `window` is W (reuse grace), `min_interval` is C; until_used is `--recovery until-used`.
    """

    window: int
    min_interval: int = 0
    until_used: bool = False

    def interval(self, channel: Channel) -> int:
        """C for this channel, never above W. Every page load refreshes a cookie session, so such a
        session gets W/2 at least.
        """
        floor = self.window // 2 if channel is Channel.COOKIE else 0
        return min(max(self.min_interval, floor), self.window)


@dataclass(frozen=True, slots=True, repr=False)
class Presented:
    """A refresh request, reduced to what the rules ask about.

    `successor` says whether this host could derive the session's current token; `first_party`, that
    it was presented at the first-party API, which serves only what was begun there.
    """

    generation: int
    authenticity: Authenticity
    successor: Availability
    client_id: str
    channel: Channel = Channel.BODY
    proof: Proof = Proof.NOT_REQUIRED
    key_hash: bytes | None = None
    scope: str | None = None
    resources: tuple[str, ...] = ()
    first_party: bool = False


@dataclass(frozen=True, slots=True)
class Rotate:
    """Swap to the next generation and answer with its token (R5)."""

    to_generation: int
    rule: Rule = Rule.R5_CURRENT


@dataclass(frozen=True, slots=True)
class Heal:
    """The database lost rotations: swap to the generation after the presented one (R8)."""

    to_generation: int
    rule: Rule = Rule.R8_AHEAD


@dataclass(frozen=True, slots=True)
class Repeat:
    """Answer with the token that is current already; write nothing (R4, R6, R6k)."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class Reuse:
    """A superseded token: end the session, commit that, then refuse (R7)."""

    behind_by: int
    rule: Rule = Rule.R7_REUSED


@dataclass(frozen=True, slots=True)
class Refuse:
    """Change nothing. `state` tells the authenticated holder why, for a session that is over."""

    rule: Rule
    why: Refusal
    state: State | None = None


Verdict = Rotate | Heal | Repeat | Reuse | Refuse

_NOT_GENUINE = {
    Authenticity.FORGED: Refusal.FORGED,
    Authenticity.LOST: Refusal.SECRET_GONE,
}


def present(
    token: RefreshToken,
    ring: Ring,
    session: Session | None,
    client_id: str,
    *,
    key: str | None = None,
    scope: str | None = None,
    wanted: tuple[str, ...] = (),
    channel: Channel = Channel.BODY,
    first_party: bool = False,
) -> Presented:
    """Reduce a request to what is judged. Without a session there is no salt to verify with."""
    if session is None:
        return Presented(token.generation, Authenticity.FORGED, Availability.GONE, client_id)
    return Presented(
        generation=token.generation,
        authenticity=ring.authenticate(token, session.salt),
        successor=ring.availability(session.secret_id),
        client_id=client_id,
        key_hash=None if key is None else key_hash(token.sid, key),
        scope=scope,
        resources=wanted,
        channel=channel,
        first_party=first_party,
    )


def judge(session: Session | None, presented: Presented, now: int, policy: Policy) -> Verdict:
    """Decide the fate of a presented refresh token. The order of the rules is part of them."""
    if session is None:
        return Refuse(Rule.R1_UNKNOWN, Refusal.UNKNOWN_SESSION)
    return (
        _not_the_holder(session, presented)
        or _over(session, presented, now)
        or _reused(session, presented, now, policy)
        or _asks_too_much(session, presented)
        or _granted(session, presented, now, policy)
    )


def _not_the_holder(session: Session, presented: Presented) -> Refuse | None:
    why = _NOT_GENUINE.get(presented.authenticity) or _misdirected(session, presented)
    if why is not None:
        return Refuse(Rule.R1_UNKNOWN, why)
    if session.binding is not Binding.NONE and presented.proof is not Proof.PROVEN:
        return Refuse(Rule.R1B_UNPROVEN, Refusal.PROOF_FAILED)
    if presented.authenticity is Authenticity.UNDECIDED:
        return Refuse(Rule.R1C_SECRET_AWAITED, Refusal.SECRET_AWAITED)
    return None


def _misdirected(session: Session, presented: Presented) -> Refusal | None:
    """The first-party API knows no proof of possession, so a bound session is none of its own."""
    if presented.client_id != session.client_id:
        return Refusal.OTHER_CLIENT
    if presented.channel is not session.channel:
        return Refusal.OTHER_CHANNEL
    own = session.first_party and session.binding is Binding.NONE
    return Refusal.OTHER_INTERFACE if presented.first_party and not own else None


def _over(session: Session, presented: Presented, now: int) -> Refuse | None:
    # A row behind the token it gave out is older than the truth: its idle end proves nothing.
    ahead = presented.generation > session.generation
    state = sessions.state(session, now, judge_idle=not ahead)
    return None if state is State.LIVE else Refuse(Rule.R2_OVER, Refusal.OVER, state)


def _reused(session: Session, presented: Presented, now: int, policy: Policy) -> Reuse | None:
    behind_by = session.generation - presented.generation
    if behind_by <= 0:
        return None
    if behind_by == 1 and _repeatable(session, presented, now, policy):
        return None
    return Reuse(behind_by)


def _repeatable(session: Session, presented: Presented, now: int, policy: Policy) -> Rule | None:
    """Under which rule the token superseded last still gets its successor, if any."""
    bound = session.binding is not Binding.NONE
    if policy.window > 0 and age(session, now) <= policy.window:
        return Rule.R6_IN_WINDOW
    if bound:
        return Rule.R6K_SAME_REQUESTER
    if policy.window > 0 and (policy.until_used or _same_key(session, presented)):
        return Rule.R6K_SAME_REQUESTER
    return None


def _same_key(session: Session, presented: Presented) -> bool:
    if presented.key_hash is None or session.rotation_key_hash is None:
        return False
    return hmac.compare_digest(presented.key_hash, session.rotation_key_hash)


def _asks_too_much(session: Session, presented: Presented) -> Refuse | None:
    if scopes.narrow(presented.scope, session.scope) is None:
        return Refuse(Rule.R3_TOO_WIDE, Refusal.SCOPE_TOO_WIDE)
    if resources.narrow(presented.resources, session.resources) is None:
        return Refuse(Rule.R3_TOO_WIDE, Refusal.RESOURCE_TOO_WIDE)
    return None


def _granted(session: Session, presented: Presented, now: int, policy: Policy) -> Verdict:
    behind_by = session.generation - presented.generation
    if behind_by < 0:
        return Heal(presented.generation + 1)
    if behind_by == 0:
        too_soon = age(session, now) < policy.interval(session.channel)
        if session.generation > 1 and too_soon:
            return _repeat(Rule.R4_TOO_SOON, presented)
        return Rotate(session.generation + 1)
    rule = _repeatable(session, presented, now, policy)
    assert rule is not None, "_reused has refused every other superseded token"
    return _repeat(rule, presented)


def _repeat(rule: Rule, presented: Presented) -> Repeat | Refuse:
    match presented.successor:
        case Availability.HELD:
            return Repeat(rule)
        case Availability.AWAITED:
            return Refuse(Rule.R1C_SECRET_AWAITED, Refusal.SECRET_AWAITED)
        case Availability.GONE:
            return Refuse(Rule.R1_UNKNOWN, Refusal.SECRET_GONE)
        case unreachable:
            assert_never(unreachable)


def age(session: Session, now: int) -> int:
    """Time since the current generation began; a clock that stepped back makes it zero."""
    return max(0, now - session.rotated_at)


def key_hash(sid: bytes, key: str) -> bytes:
    """What the row remembers of an Idempotency-Key: never the key itself."""
    return hashlib.sha256(sid + key.encode()).digest()


def remembered_key(session: Session, presented: Presented) -> bytes | None:
    """What a rotation writes: the hash of its key, unless the key is the one of the rotation
    before. A key that is sent again and again proves nothing about who sends it.
    """
    if presented.key_hash is None or _same_key(session, presented):
        return None
    return presented.key_hash
