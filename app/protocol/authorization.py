"""Reading an authorization request, and the answers to it (RFC 6749 §4.1, RFC 9207).

Until client and redirect URI are proven nothing goes to the client; from then on everything does.
"""

from dataclasses import dataclass, field
from urllib.parse import urlencode

from flask import Response

from app.core import authorization, pkce, redirects
from app.core.authorization import GRANT, Asked, is_state
from app.core.authorization_events import AuthorizationRefused
from app.core.clients import NOBODY, Client
from app.core.outcomes import ErrorCode, Refused
from app.protocol import clients
from app.protocol.forms import Form
from app.protocol.requested import coverage
from app.protocol.responses import DESCRIPTIONS, NO_STORE
from app.services.runtime import Runtime

PATH = "/oauth/authorize"
PUSHED = "urn:ietf:params:oauth:request_uri:"
LONGEST_HINT = 255
PARAMETERS = frozenset(
    {
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "login_hint",
        "max_age",
        "prompt",
        "redirect_uri",
        "response_mode",
        "response_type",
        "scope",
        "state",
    }
)
NEEDS_PKCE = "A code_challenge of code_challenge_method S256 is required."


@dataclass(frozen=True, slots=True)
class Unaddressed:
    """Nobody to answer: the person gets a page. `why` is for the operator."""

    why: str
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class Denied:
    """An error for the client, at a redirect URI that is its own."""

    client_id: str
    redirect_uri: str
    state: str | None = field(repr=False)
    error: ErrorCode
    why: str
    description: str | None = None


Read = Asked | Denied | Unaddressed


def read(run: Runtime, form: Form, *, pushed: bool) -> Read:
    """Judge a request, whether it came by the browser or was pushed or parked before."""
    client = clients.find(run, form.values.get("client_id", ""), run.now())
    if client is NOBODY or client.disabled:
        return Unaddressed("client_disabled" if client.disabled else "unknown_client")
    sent = form.values.get("redirect_uri")
    uri = _redirect_uri(client, sent)
    state = form.values.get("state")
    if uri is None:
        return Unaddressed("redirect_uri_not_registered", client.client_id)
    if state is not None and not is_state(state):
        return Unaddressed("state_syntax", client.client_id)
    wrong = _objection(run, client, form, pushed=pushed)
    if wrong is not None:
        error, why = wrong
        description = NEEDS_PKCE if why.startswith("code_challenge") else None
        return Denied(client.client_id, uri, state, error, why, description)
    covered = coverage(run, client, form.values.get("scope"), form.resources)
    if isinstance(covered, Refused):
        return Denied(client.client_id, uri, state, covered.error, covered.error.value)
    hint = form.values.get("login_hint", "")
    prompts = authorization.prompts(form.values.get("prompt", ""))
    assert prompts is not None, "checked by _objection"
    return Asked(
        client=client,
        redirect_uri=uri,
        redirect_uri_sent=sent is not None,
        challenge=form.values["code_challenge"],
        scope=covered.scope,
        resources=covered.resources,
        state=state,
        prompts=prompts,
        max_age=authorization.max_age(form.values.get("max_age", "")),
        login_hint=hint if len(hint) <= LONGEST_HINT and hint.isprintable() else "",
    )


def _redirect_uri(client: Client, sent: str | None) -> str | None:
    """The one to answer at. It may be left out when only one is registered (RFC 6749 §3.1.2.3)."""
    if sent is not None:
        return sent if redirects.matches(client.redirect_uris, sent) else None
    return client.redirect_uris[0] if len(client.redirect_uris) == 1 else None


def _objection(
    run: Runtime, client: Client, form: Form, *, pushed: bool
) -> tuple[ErrorCode, str] | None:
    """The first thing that is wrong, and the name of it for the operator."""
    values = form.values
    has_to_push = client.require_par or run.settings.require_par == "on"
    checks = (
        (bool(form.repeated), ErrorCode.INVALID_REQUEST, "repeated_parameter"),
        (GRANT not in client.grants, ErrorCode.UNAUTHORIZED_CLIENT, "grant_not_registered"),
        ("request" in values, ErrorCode.REQUEST_NOT_SUPPORTED, "request"),
        ("request_uri" in values, ErrorCode.REQUEST_URI_NOT_SUPPORTED, "request_uri"),
        (has_to_push and not pushed, ErrorCode.INVALID_REQUEST, "not_pushed"),
        ("response_type" not in values, ErrorCode.INVALID_REQUEST, "missing_response_type"),
        (
            values.get("response_type") != "code",
            ErrorCode.UNSUPPORTED_RESPONSE_TYPE,
            "response_type",
        ),
        (
            values.get("response_mode", "query") != "query",
            ErrorCode.INVALID_REQUEST,
            "response_mode",
        ),
    )
    for wrong, error, why in checks:
        if wrong:
            return error, why
    malformed = _objection_to_challenge(form) or _objection_to_wishes(form)
    return None if malformed is None else (ErrorCode.INVALID_REQUEST, malformed)


def _objection_to_wishes(form: Form) -> str | None:
    if authorization.prompts(form.values.get("prompt", "")) is None:
        return "prompt"
    age = form.values.get("max_age")
    return "max_age" if age is not None and authorization.max_age(age) is None else None


def _objection_to_challenge(form: Form) -> str | None:
    """S256 from every client: no downgrade is possible when there is nothing to go down to."""
    challenge = form.values.get("code_challenge")
    if challenge is None:
        return "code_challenge_missing"
    if form.values.get("code_challenge_method") != pkce.METHOD:
        return "code_challenge_method"
    return None if pkce.is_challenge(challenge) else "code_challenge_syntax"


def deny(asked: Asked, error: ErrorCode, why: str) -> Denied:
    return Denied(asked.client.client_id, asked.redirect_uri, asked.state, error, why)


def denied(run: Runtime, refusal: Denied) -> Response:
    """The error, sent to the client by way of the browser (§4.1.2.1)."""
    run.telemetry.publish(
        [AuthorizationRefused(refusal.client_id, refusal.error.value, refusal.why)]
    )
    answer = {
        "error": refusal.error.value,
        "error_description": refusal.description or DESCRIPTIONS[refusal.error],
        "error_uri": f"{run.settings.require_issuer()}/errors#{refusal.error.value}",
    }
    return send(run, refusal.redirect_uri, refusal.state, answer)


def send(run: Runtime, redirect_uri: str, state: str | None, answer: dict[str, str]) -> Response:
    """303: whatever the browser sent here, a password too, it does not send on (RFC 9700 §4.12)."""
    if state is not None:
        answer["state"] = state
    answer["iss"] = run.settings.require_issuer()
    joint = "&" if "?" in redirect_uri else "?"
    return redirect(f"{redirect_uri}{joint}{urlencode(answer)}")


def redirect(location: str) -> Response:
    return Response(
        status=303,
        headers=[*NO_STORE, ("Location", location), ("Referrer-Policy", "no-referrer")],
    )
