"""Redeeming a code (RFC 6749 §4.1.3, RFC 7636 §4.6): all proofs first, then one winner."""

from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from app.core import pkce, resources
from app.core.authorization import GRANT
from app.core.authorization_events import CodeRefused, CodeReplayed
from app.core.clients import Client
from app.core.devices import Device
from app.core.events import Event, SessionEnded
from app.core.outcomes import ErrorCode, Outcome, Refused
from app.core.sessions import EndReason, ending_by, purge_time
from app.protocol import sign_in
from app.protocol.allowed import Allower, by_whom
from app.protocol.authorization import PUSHED
from app.protocol.browser import digest
from app.protocol.forms import Form
from app.protocol.interaction import parsed
from app.protocol.requested import Coverage
from app.services.runtime import Runtime
from app.store import audit, authorizations, sessions
from app.store.authorizations import Code


@dataclass(frozen=True, slots=True, repr=False)
class Redemption:
    code: str
    redirect_uri: str | None
    verifier: str
    resources: tuple[str, ...] = ()
    device: Device = field(default_factory=Device)


def redeem(run: Runtime, client: Client, presented: Redemption) -> Outcome:
    """Whoever lacks one of the proofs changes nothing: the code stays good for its client."""
    with run.rotations.connect() as connection:
        code = authorizations.find_code(connection, digest(presented.code))
    why = _objection(client, presented, code)
    if why is not None:
        return _refused(client, why)
    assert code is not None, "objected to"
    if code.redeemed_at is not None:
        return _replayed(run, client, code)
    now = run.now()
    if now >= code.expires_at:
        return _refused(client, "expired")
    allower = by_whom(run, code.user_id, code.user_epoch, code.browser_session_id, now)
    if allower is None:
        return _refused(client, "signed_out_meanwhile")
    wanted = resources.narrow(presented.resources, code.resource.split())
    if wanted is None:
        return Refused(error=ErrorCode.INVALID_TARGET)
    return _exchange(run, client, presented, code, allower, wanted, now)


def _objection(client: Client, presented: Redemption, code: Code | None) -> str | None:
    if code is None:
        return "unknown_code"
    if code.client_id != client.client_id:
        return "other_client"
    uri = presented.redirect_uri
    if uri != code.redirect_uri and (uri is not None or code.redirect_uri_sent):
        return "other_redirect_uri"
    return None if pkce.proves(presented.verifier, code.challenge) else "wrong_verifier"


def _exchange(
    run: Runtime,
    client: Client,
    presented: Redemption,
    code: Code,
    allower: Allower,
    wanted: tuple[str, ...],
    now: int,
) -> Outcome:
    covered = Coverage(code.scope, tuple(code.resource.split()))
    session = ending_by(
        sign_in.draft(run, client, allower.user, covered, now, auth_time=code.auth_time),
        allower.until,
    )
    issued = sign_in.tokens(run, client, session, now, GRANT, wanted)
    with run.transactions.begin() as connection:
        browser_session_id = authorizations.redeem(connection, code.digest, now)
        if browser_session_id is not None:
            ended = sign_in.store(
                connection,
                run,
                session,
                presented.device,
                code_id=code.digest,
                browser_session_id=browser_session_id,
            )
            if ended is None:
                return _refused(client, "signed_out_meanwhile")
            return replace(issued, events=issued.events + ended)
        late = authorizations.find_code(connection, code.digest)
    if late is not None and late.redeemed_at is not None:
        return _replayed(run, client, code)
    return _refused(client, "expired")


def _refused(client: Client, why: str) -> Refused:
    return Refused(error=ErrorCode.INVALID_GRANT, events=(CodeRefused(client.client_id, why),))


def _replayed(run: Runtime, client: Client, code: Code) -> Refused:
    """Somebody else holds the code, the verifier and what authenticates the client: the session is
    over, and that is on disk before it is answered (RFC 6749 §4.1.2).
    """
    with run.transactions.begin() as connection:
        events = _end(connection, run, code)
    refused = CodeRefused(client.client_id, "replayed")
    return Refused(error=ErrorCode.INVALID_GRANT, events=(*events, refused))


def _end(connection: Connection, run: Runtime, code: Code) -> tuple[Event, ...]:
    session = sessions.find_by_code(connection, code.digest)
    if session is None:
        return ()
    now, reason = run.now(), EndReason.CODE_REPLAYED
    if not sessions.revoke(connection, session.sid, now, reason, purge_time(now, run.access_ttl)):
        return ()
    who = (session.public_id, session.client_id, session.user_id)
    facts = {
        "session": session.public_id,
        "client_id": session.client_id,
        "user_id": session.user_id,
        "detail": reason,
    }
    audit.record(connection, now, SessionEnded.name, facts)
    return CodeReplayed(*who), SessionEnded(*who, reason)


def pushed(run: Runtime, form: Form) -> Form | None:
    """What the client pushed before (RFC 9126 §4): used up by being asked for. None when there is no
    such request, or it belongs to another client.
    """
    reference = form.values.get("request_uri", "").removeprefix(PUSHED)
    with run.rotations.connect() as connection:
        stored = authorizations.take_pushed(
            connection, digest(reference), form.values.get("client_id", ""), run.now()
        )
    return None if stored is None else parsed(stored.parameters)[0]
