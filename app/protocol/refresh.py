"""One refresh: read, judge, sign, swap. What the rules decide is in `core.rotation`.

Everything that can fail happens before the swap, and no lock is held while signing. The swap is
the commit; a session that must end for reuse is ended and committed before it is refused.
"""

import json
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from app.core import rotation, scopes, sessions, theft
from app.core.binding import Binding
from app.core.clients import Client
from app.core.devices import UNSAID, Device
from app.core.events import (
    Event,
    Refreshed,
    RefreshHealed,
    RefreshRefused,
    RepeatedElsewhere,
    ReuseDetected,
)
from app.core.outcomes import ErrorCode, Issued, Outcome, Refused
from app.core.refresh_token import Availability, RefreshToken, Ring, parse
from app.core.resources import narrow
from app.core.rotation import Heal, Policy, Presented, Refusal, Refuse, Repeat, Reuse, Rotate, Rule
from app.core.sessions import Channel, EndReason, Session, State, whole_seconds
from app.protocol import alarm, issuance
from app.protocol.issuance import AccessToken
from app.protocol.responses import busy
from app.services.runtime import Runtime
from app.store import audit
from app.store import sessions as rows
from app.store.sessions import Swap

ATTEMPTS = 3
ALERT = "session.reuse_detected"
SUPERSEDED = {Rule.R6_IN_WINDOW, Rule.R6K_SAME_REQUESTER}


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """What a client sends; `key` is the Idempotency-Key, if there is one. `first_party`: at the
    first-party API.
    """

    token: str
    scope: str | None = None
    resources: tuple[str, ...] = ()
    key: str | None = None
    device: Device = UNSAID
    channel: Channel = Channel.BODY
    first_party: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Inquiry:
    """A request with everything it is judged by, but for the row and the time."""

    run: Runtime
    client: Client
    request: Request
    token: RefreshToken
    ring: Ring
    policy: Policy


def refresh(run: Runtime, client: Client, request: Request) -> Outcome:
    """Any answer but `Issued` leaves the presented token usable, reuse excepted."""
    token = parse(request.token)
    if token is None:
        return _refused(client, None, Refuse(Rule.R0_MALFORMED, Refusal.MALFORMED))
    inquiry = Inquiry(run, client, request, token, run.ring(), run.policy(client))
    for _ in range(ATTEMPTS):
        outcome = _attempt(inquiry)
        if outcome is not None:
            return outcome
    return busy()


def _attempt(inquiry: Inquiry) -> Outcome | None:
    """One look at the row and what follows from it; None when the row moved meanwhile."""
    run = inquiry.run
    with run.rotations.connect() as connection:
        session = rows.find(connection, inquiry.token.sid)
        now = run.now()
        request = inquiry.request
        presented = rotation.present(
            inquiry.token,
            inquiry.ring,
            session,
            inquiry.client.client_id,
            key=request.key,
            scope=request.scope,
            wanted=request.resources,
            channel=request.channel,
            first_party=request.first_party,
        )
        verdict = rotation.judge(session, presented, now, inquiry.policy)
        if isinstance(verdict, Refuse):
            return _refused(inquiry.client, session, verdict)
        assert session is not None, "an unknown session is refused"
        if isinstance(verdict, Repeat):
            access = _signed(inquiry, session, now)
            return _issued(inquiry, session, session, access, now, verdict.rule)
        if isinstance(verdict, Rotate | Heal):
            return _swapped(connection, inquiry, session, presented, verdict, now)
    return _ended(inquiry, session, verdict, now)


def _swapped(
    connection: Connection,
    inquiry: Inquiry,
    session: Session,
    presented: Presented,
    verdict: Rotate | Heal,
    now: int,
) -> Outcome | None:
    access = _signed(inquiry, session, now)
    swap = Swap(
        from_generation=session.generation,
        to_generation=verdict.to_generation,
        secret_id=inquiry.ring.active,
        rotated_at=now,
        key_hash=rotation.remembered_key(session, presented),
        idle_expires_at=sessions.idle_end(now, session.idle_ttl, session.expires_at),
        device=inquiry.request.device,
    )
    write = rows.rotate if isinstance(verdict, Rotate) else rows.heal
    if not write(connection, session.sid, swap):
        return _overtaken(connection, inquiry, verdict, access, now)
    return _issued(inquiry, session, swap.applied(session), access, now, verdict.rule)


def _overtaken(
    connection: Connection,
    inquiry: Inquiry,
    verdict: Rotate | Heal,
    access: AccessToken,
    first_read: int,
) -> Issued | Refused | None:
    """Somebody else swapped between our read and our write. A token that was current when we read
    gets the current one. When that was longer than W ago, or the profile is strict, or a fail-over
    lost what we had read, it is asked to come again. It is never judged again, not even when the
    session is over: a rotation that was under way could revive it, and a request that was
    acceptable at its first read never ends a session (I8). Only what was ahead of the row is.
    """
    session = rows.find(connection, inquiry.token.sid)
    now = inquiry.run.now()
    if isinstance(verdict, Heal) or session is None:
        return None
    window = inquiry.policy.window
    ahead = inquiry.token.generation > session.generation
    derivable = inquiry.ring.availability(session.secret_id) is Availability.HELD
    state = sessions.state(session, now, judge_idle=not ahead)
    if state is not State.LIVE:
        return _refused(inquiry.client, session, Refuse(Rule.R2_OVER, Refusal.OVER, state))
    if ahead or not derivable or window == 0 or now - first_read > window:
        return busy()
    return _issued(inquiry, session, session, access, now, verdict.rule)


def _signed(inquiry: Inquiry, session: Session, now: int) -> AccessToken:
    """The access token may be narrower than the session; the session never changes (I12)."""
    scope = scopes.narrow(inquiry.request.scope, session.scope)
    resources = narrow(inquiry.request.resources, session.resources)
    assert scope is not None, "rule R3 has passed"
    assert resources is not None, "rule R3 has passed"
    return issuance.for_session(inquiry.run, session, scope, resources, now)


def _issued(
    inquiry: Inquiry,
    session: Session,
    current: Session,
    access: AccessToken,
    now: int,
    rule: Rule,
) -> Issued:
    """Answer with the token of the row's generation (I4). `session` is the row as it was read,
    `current` as it is once the request is done with it.
    """
    facts = (session.public_id, session.client_id)
    events: tuple[Event, ...] = (Refreshed(*facts, generation=current.generation, rule=rule),)
    if rule is Rule.R8_AHEAD:
        events += (RefreshHealed(*facts, generation=current.generation),)
    if rule in SUPERSEDED and session.device != inquiry.request.device:
        events += (RepeatedElsewhere(*facts, generation=current.generation),)
    return Issued(
        access_token=access.text,
        expires_in=access.expires_in,
        scope=access.scope,
        refresh_token=inquiry.ring.mint(
            current.secret_id, session.sid, session.salt, current.generation
        ),
        refresh_token_timeout=whole_seconds(current.idle_expires_at - now),
        authorization_expires_in=whole_seconds(session.expires_at - now),
        session=current,
        events=events,
    )


def _ended(inquiry: Inquiry, session: Session, reuse: Reuse, now: int) -> Refused:
    """Rule R7: the end of the session is committed before anybody hears of it."""
    run, client_id = inquiry.run, inquiry.client.client_id
    event = ReuseDetected(session.public_id, client_id, session.user_id, reuse.behind_by)
    purge_at = sessions.purge_time(now, run.access_ttl)
    found = theft.dossier(session, inquiry.token.generation, now, inquiry.request.device)
    with run.transactions.begin() as connection:
        if rows.revoke(connection, session.sid, now, EndReason.REUSE, purge_at):
            facts = {
                "session": session.public_id,
                "client_id": client_id,
                "user_id": session.user_id,
                "detail": json.dumps(found.members()),
            }
            audit.record(connection, now, event.name, facts)
            told = {
                "session": session.public_id,
                "client_id": client_id,
                "user_id": session.user_id,
            }
            alarm.queue(connection, run, ALERT, now, {**told, "reuse": found.members()})
    return Refused(error=ErrorCode.INVALID_GRANT, reason=State.REUSED, events=(event,))


def _refused(client: Client, session: Session | None, refuse: Refuse) -> Refused:
    why = refuse.why if refuse.state is None else refuse.state
    event = RefreshRefused(
        client=client.client_id,
        session="" if session is None else session.public_id,
        rule=refuse.rule,
        why=why,
    )
    if refuse.rule is Rule.R1C_SECRET_AWAITED:
        return replace(busy(), events=(event,))
    return Refused(error=_error(session, refuse), reason=refuse.state, events=(event,))


def _error(session: Session | None, refuse: Refuse) -> ErrorCode:
    match refuse.why:
        case Refusal.SCOPE_TOO_WIDE:
            return ErrorCode.INVALID_SCOPE
        case Refusal.RESOURCE_TOO_WIDE:
            return ErrorCode.INVALID_TARGET
        case Refusal.PROOF_FAILED if session is not None and session.binding is Binding.JKT:
            return ErrorCode.INVALID_DPOP_PROOF
        case _:
            return ErrorCode.INVALID_GRANT
