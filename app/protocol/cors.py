"""Cross-origin access (Fetch standard), as CONTRACT §3 draws the line: public documents for any
origin, token requests for registered origins, pages for none. With credentials only where the
first-party API takes its cookie.
"""

from collections.abc import Callable

from flask import Request, Response

from app.core import status_list
from app.protocol.problems import API

ANY_ORIGIN = ("/.well-known/", status_list.PATH)
REGISTERED = frozenset(
    {"/oauth/token", "/oauth/revoke", "/oauth/par", "/oauth/device_authorization"}
)
WITH_CREDENTIALS = API
ALLOWED = "Authorization, Content-Type, DPoP, Idempotency-Key, X-Requested-With, X-Session-Mode"
EXPOSED = "Retry-After, Date, DPoP-Nonce, WWW-Authenticate"
PREFLIGHT_SECONDS = 600


def is_preflight(request: Request) -> bool:
    return (
        request.method == "OPTIONS"
        and "Origin" in request.headers
        and "Access-Control-Request-Method" in request.headers
        and (_is_for_registered(request) or _is_public(request))
    )


def _is_public(request: Request) -> bool:
    return any(part in request.path for part in ANY_ORIGIN)


def _is_for_registered(request: Request) -> bool:
    return request.path in REGISTERED or request.path.startswith(WITH_CREDENTIALS)


def allow(request: Request, response: Response, is_registered: Callable[[str], bool]) -> None:
    """Add the headers that this origin is due, if any."""
    origin = request.headers.get("Origin")
    if _is_public(request):
        response.headers["Access-Control-Allow-Origin"] = "*"
        method = "GET"
    elif origin is None or not _is_for_registered(request):
        return
    else:
        response.vary.add("Origin")
        if not is_registered(origin):
            return
        response.headers["Access-Control-Allow-Origin"] = origin
        method = "POST"
        if request.path.startswith(WITH_CREDENTIALS):
            response.headers["Access-Control-Allow-Credentials"] = "true"
            method = "GET, POST, DELETE"
    response.headers["Access-Control-Expose-Headers"] = EXPOSED
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = method
        response.headers["Access-Control-Allow-Headers"] = ALLOWED
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
