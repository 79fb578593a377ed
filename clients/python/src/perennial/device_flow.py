"""Sign in on another device than this one (RFC 8628)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from perennial import answers
from perennial.answers import Refused, Unsettled
from perennial.clock import Clock
from perennial.errors import ConfigError, ProtocolError, ServerBusyError, SignInError, Unreachable
from perennial.record import Granted
from perennial.server import Server

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
INTERVAL, SLOWER, LONGEST_INTERVAL = 5.0, 5.0, 120.0
LIFETIME = 1800.0
LONGEST = 86_400.0


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What to show: the person opens `verification_uri` and types `user_code`, or scans
    `verification_uri_complete`, where there is one. Good for `lifetime` seconds. From a server, all
    of it is printable.
    """

    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    lifetime: float
    interval: float = INTERVAL
    device_code: str = field(default="", repr=False)


Show = Callable[[DeviceCode], object]


def sign_in(
    server: Server, clock: Clock, scope: str | None, show: Show, cancelled: Event
) -> Granted:
    """Wait until the person has decided. `SignInError` with a code of RFC 8628 §3.5 or `cancelled`;
    `Unreachable` and `ConfigError` before anything is shown, and never after it.
    """
    code = ask(server, scope)
    show(code)
    end, interval = clock.monotonic() + code.lifetime, code.interval
    while True:
        clock.pause(min(interval, max(0.0, end - clock.monotonic())), cancelled)
        if cancelled.is_set():
            raise SignInError("cancelled")
        if clock.monotonic() >= end:
            raise SignInError("expired_token", "nobody signed in in time")
        answer = _poll(server, clock, code.device_code)
        if isinstance(answer, Granted):
            return answer
        interval = _next_interval(answer, interval)


def ask(server: Server, scope: str | None) -> DeviceCode:
    """RFC 8628 §3.1."""
    url = server.endpoints().device_authorization
    if url is None:
        raise ConfigError("the server has no device authorization endpoint")
    response = server.ask(url, {} if scope is None else {"scope": scope})
    if response.status != answers.OK:
        secrets = answers.secrets_of({}, server.client.secret)
        match answers.read(response, asked_at=0, secrets=secrets):
            case Refused(code, description):
                raise SignInError(code, description)
            case Unsettled(error):
                raise error
    said = answers.object_of(response)
    match said:
        case {"device_code": str(secret), "user_code": str(shown), "verification_uri": str(uri)}:
            complete = said.get("verification_uri_complete")
            if not (shown.isprintable() and uri.isprintable()):
                raise ProtocolError("the server gave a device code that cannot be shown")
            return DeviceCode(
                shown,
                uri,
                complete if isinstance(complete, str) and complete.isprintable() else None,
                lifetime=_seconds(said.get("expires_in"), LIFETIME),
                interval=_seconds(said.get("interval"), INTERVAL),
                device_code=secret,
            )
    raise ProtocolError("the server gave no device code")


def _poll(server: Server, clock: Clock, device_code: str) -> Granted | Refused | Unreachable:
    asked_at = clock.wall()
    form = {"grant_type": GRANT, "device_code": device_code}
    try:
        response = server.ask(server.endpoints().token, form)
    except Unreachable as error:
        return error
    said = answers.object_of(response).get("error")
    if said == "slow_down":  # not the trouble that it is elsewhere
        return Refused(said)
    secrets = answers.secrets_of(form, server.client.secret)
    answer = answers.read(response, asked_at=asked_at, secrets=secrets)
    return answer.error if isinstance(answer, Unsettled) else answer


def _next_interval(answer: Refused | Unreachable, interval: float) -> float:
    """RFC 8628 §3.5: five seconds more when it is asked for, twice as long without an answer."""
    match answer:
        case Refused("authorization_pending"):
            return interval
        case Refused("slow_down"):
            return interval + SLOWER
        case Refused(code, description):
            raise SignInError(code, description)
        case ServerBusyError() if answer.retry_after is not None:
            return max(interval, answer.retry_after)
    return max(interval, min(2 * interval, LONGEST_INTERVAL))


def _seconds(value: Any, otherwise: float) -> float:  # noqa: ANN401  # what JSON holds
    usable = isinstance(value, int | float) and 0 < value < math.inf
    return float(min(value, LONGEST)) if usable else otherwise
