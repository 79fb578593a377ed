"""A device asks (RFC 8628 §3.2), polls (§3.4), and takes its tokens once."""

import secrets
from dataclasses import dataclass, replace

from app.core import device as rules
from app.core import resources
from app.core.authorization_events import DeviceCodeRefused
from app.core.clients import Client
from app.core.device import GRANT, INTERVAL, LENGTH, LETTERS, LIFE, DeviceRequest, Verdict
from app.core.devices import Device
from app.core.outcomes import ErrorCode, Outcome, Refused
from app.core.sessions import ending_by, whole_seconds
from app.protocol import sign_in
from app.protocol.allowed import by_whom
from app.protocol.browser import digest
from app.protocol.forms import Form
from app.protocol.pages import DEVICE
from app.protocol.requested import Coverage, coverage
from app.protocol.responses import RefusedError
from app.services.runtime import Runtime
from app.store import device_authorizations

CODE_PREFIX = "prn_dc_"
OVER = {Verdict.DENIED: ErrorCode.ACCESS_DENIED, Verdict.EXPIRED: ErrorCode.EXPIRED_TOKEN}


def new_user_code() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


def begin(run: Runtime, client: Client, form: Form, device: Device) -> dict[str, object]:
    """The members of the answer. Raises what a token request would raise."""
    if GRANT not in client.grants:
        raise RefusedError(Refused(error=ErrorCode.UNAUTHORIZED_CLIENT))
    covered = coverage(run, client, form.values.get("scope"), form.resources)
    if isinstance(covered, Refused):
        raise RefusedError(covered)
    device_code = CODE_PREFIX + secrets.token_urlsafe(32)
    uri = f"{run.settings.require_issuer()}{DEVICE}"
    user_code = rules.shown(_kept(run, client, covered, device, digest(device_code)))
    return {
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": uri,
        "verification_uri_complete": f"{uri}?user_code={user_code}",
        "expires_in": whole_seconds(LIFE),
        "interval": whole_seconds(INTERVAL),
    }


def _kept(run: Runtime, client: Client, covered: Coverage, device: Device, code: str) -> str:
    """Keep the request; the user code that is its own."""
    now = run.now()
    while True:
        user_code = new_user_code()
        request = DeviceRequest(
            digest=code,
            user_digest=digest(user_code),
            client_id=client.client_id,
            scope=covered.scope,
            resource=" ".join(covered.resources),
            user_agent=device.user_agent,
            ip=device.address,
            created_at=now,
            expires_at=now + LIFE,
            interval=INTERVAL,
        )
        with run.rotations.connect() as connection:
            if device_authorizations.add(connection, request):
                return user_code


@dataclass(frozen=True, slots=True, repr=False)
class Poll:
    device_code: str
    resources: tuple[str, ...]
    device: Device


def poll(run: Runtime, client: Client, presented: Poll) -> Outcome:
    with run.rotations.connect() as connection:
        request = device_authorizations.find(connection, digest(presented.device_code))
    if request is None or request.client_id != client.client_id:
        return _refused(client, "unknown_code" if request is None else "other_client")
    now = run.now()
    verdict = rules.judge(request, now)
    match verdict:
        case Verdict.ISSUE:
            return _issue(run, client, presented, request, now)
        case Verdict.PENDING:
            return _wait(run, request, now)
        case Verdict.SLOW_DOWN:
            return _slow_down(run, request, now)
        case Verdict.USED:
            return _refused(client, "used")
        case Verdict.DENIED | Verdict.EXPIRED:
            return Refused(error=OVER[verdict])


def _wait(run: Runtime, request: DeviceRequest, now: int) -> Refused:
    with run.rotations.connect() as connection:
        in_time = device_authorizations.polled(connection, request, now)
    if not in_time:
        return _slow_down(run, request, now)
    return Refused(error=ErrorCode.AUTHORIZATION_PENDING)


def _slow_down(run: Runtime, request: DeviceRequest, now: int) -> Refused:
    with run.rotations.connect() as connection:
        device_authorizations.slow_down(connection, request.digest, now)
    return Refused(error=ErrorCode.SLOW_DOWN)


def _issue(
    run: Runtime, client: Client, presented: Poll, request: DeviceRequest, now: int
) -> Outcome:
    assert request.user_id is not None, "decided by somebody"
    assert request.user_epoch is not None, "as they were then"
    assert request.browser_session_id is not None, "decided in a browser"
    allower = by_whom(run, request.user_id, request.user_epoch, request.browser_session_id, now)
    if allower is None:
        return _refused(client, "signed_out_meanwhile")
    allowed = tuple(request.resource.split())
    wanted = resources.narrow(presented.resources, allowed)
    if wanted is None:
        return Refused(error=ErrorCode.INVALID_TARGET)
    covered = Coverage(request.scope, allowed)
    session = ending_by(
        sign_in.draft(run, client, allower.user, covered, now, auth_time=request.auth_time),
        allower.until,
    )
    issued = sign_in.tokens(run, client, session, now, GRANT, wanted)
    with run.transactions.begin() as connection:
        place = device_authorizations.redeem(connection, request.digest, now)
        if place is None:
            return _refused(client, "used")
        ended = sign_in.store(connection, run, session, presented.device, browser_session_id=place)
        if ended is None:
            return _refused(client, "signed_out_meanwhile")
    return replace(issued, events=issued.events + ended)


def _refused(client: Client, why: str) -> Refused:
    event = DeviceCodeRefused(client.client_id, why)
    return Refused(error=ErrorCode.INVALID_GRANT, events=(event,))
