"""Outcomes as answers: RFC 6749 §5.1 and §5.2 JSON, one bland sentence for each error code."""

import json
from collections.abc import Mapping

from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Response

from app.core.outcomes import ErrorCode, Issued, Outcome, Refused

_ENCODER = json.JSONEncoder(separators=(",", ":"))

Answer = tuple[int, dict[str, object], list[tuple[str, str]]]

NO_STORE = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]
REALM = 'Basic realm="perennial", charset="UTF-8"'

DESCRIPTIONS: Mapping[ErrorCode, str] = {
    ErrorCode.INVALID_REQUEST: "The request is malformed.",
    ErrorCode.INVALID_CLIENT: "Client authentication failed.",
    ErrorCode.INVALID_GRANT: "The grant is invalid, expired or revoked.",
    ErrorCode.INVALID_SCOPE: "The scope is invalid or exceeds what may be granted.",
    ErrorCode.INVALID_TARGET: "The resource is unknown or may not be requested.",
    ErrorCode.INVALID_DPOP_PROOF: "The DPoP proof is missing or invalid.",
    ErrorCode.UNAUTHORIZED_CLIENT: "The client may not use this grant type.",
    ErrorCode.UNSUPPORTED_GRANT_TYPE: "The grant type is not supported.",
    ErrorCode.ACCESS_DENIED: "The request was denied.",
    ErrorCode.UNSUPPORTED_RESPONSE_TYPE: "The response type is not supported.",
    ErrorCode.LOGIN_REQUIRED: "The person has to sign in, which the request forbids to ask for.",
    ErrorCode.CONSENT_REQUIRED: "The person has to consent, which the request forbids to ask for.",
    ErrorCode.REQUEST_NOT_SUPPORTED: "Request objects are not supported.",
    ErrorCode.REQUEST_URI_NOT_SUPPORTED: "The request URI is not one of a pushed request.",
    ErrorCode.AUTHORIZATION_PENDING: "The person has not decided yet.",
    ErrorCode.SLOW_DOWN: "Poll less often: wait five seconds longer from now on.",
    ErrorCode.EXPIRED_TOKEN: "The device code has expired.",
    ErrorCode.TEMPORARILY_UNAVAILABLE: "Try again later.",
    ErrorCode.SERVER_ERROR: "Something went wrong on the server.",
}


class RefusedError(OAuth2Error):
    """Carries a refusal through Authlib, which knows only exceptions."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(error=refused.error.value)
        self.refused = refused


def encoded(body: Mapping[str, object]) -> str:
    return _ENCODER.encode(body)


def render(outcome: Outcome, issuer: str) -> Answer:
    match outcome:
        case Issued():
            return 200, token_members(outcome), list(NO_STORE)
        case Refused():
            return refusal(outcome, issuer)


def token_members(issued: Issued) -> dict[str, object]:
    """The members of a token response (CONTRACT §4)."""
    body: dict[str, object] = {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
    }
    if issued.refresh_token is not None:
        body["refresh_token"] = issued.refresh_token
    if issued.scope:
        body["scope"] = issued.scope
    if issued.refresh_token_timeout is not None:
        body["refresh_token_timeout"] = issued.refresh_token_timeout
    if issued.authorization_expires_in is not None:
        body["authorization_expires_in"] = issued.authorization_expires_in
    return body


def refusal(refused: Refused, issuer: str, status: int | None = None) -> Answer:
    """The error answer. `status` overrides what follows from the refusal (405, 413)."""
    body: dict[str, object] = {
        "error": refused.error.value,
        "error_description": DESCRIPTIONS[refused.error],
        "error_uri": f"{issuer}/errors#{refused.error.value}",
    }
    if refused.reason is not None:
        body["reason"] = refused.reason.value
    headers = list(NO_STORE)
    if refused.error is ErrorCode.INVALID_CLIENT:
        headers.append(("WWW-Authenticate", REALM))
    if refused.retry_after is not None:
        headers.append(("Retry-After", str(refused.retry_after)))
    return status or _status(refused), body, headers


def _status(refused: Refused) -> int:
    if refused.retry_after is not None:
        return 429 if refused.throttled else 503
    return {ErrorCode.INVALID_CLIENT: 401, ErrorCode.SERVER_ERROR: 500}.get(refused.error, 400)


def response(answer: Answer) -> Response:
    status, body, headers = answer
    return Response(
        encoded(body),
        status=status,
        headers=headers,
        content_type="application/json",
    )


def busy(retry_after: int = 1) -> Refused:
    return Refused(error=ErrorCode.TEMPORARILY_UNAVAILABLE, retry_after=retry_after)


def too_often(retry_after: int) -> Refused:
    return Refused(error=ErrorCode.TEMPORARILY_UNAVAILABLE, retry_after=retry_after, throttled=True)
