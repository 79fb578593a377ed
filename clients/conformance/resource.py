"""The resource server under /api, and the other origin that no token may ever reach."""

import hashlib

from clients.conformance.families import MARK
from clients.conformance.messages import Answer, Request, json_answer
from clients.conformance.state import State


def api(state: State, request: Request) -> Answer:
    """Needs a current access token. /api/echo tells what it was sent."""
    state.ledger.counts["api_requests"] += 1
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return _refused(state, "no_token", "Bearer")
    family = state.access.current(token, state.clock.now())
    if family is None or request.path == "/api/always401":
        return _refused(state, "invalid_token", 'Bearer error="invalid_token"')
    if request.path == "/api/forbidden":
        challenge = 'Bearer error="insufficient_scope"'
        return json_answer({"error": "insufficient_scope"}, 403, WWW_Authenticate=challenge)
    state.ledger.counts["api_served"] += 1
    if request.path == "/api/redirect":
        return Answer(302, {"Location": f"{state.elsewhere}/elsewhere"})
    return json_answer({"user": family.user, **_echo(request)})


def elsewhere(state: State, request: Request) -> Answer:
    leaked = any(MARK in value for value in (request.query, *request.headers.values()))
    state.ledger.counts["leaks"] += leaked
    return json_answer({"leaked": leaked})


def _refused(state: State, why: str, challenge: str) -> Answer:
    state.ledger.counts["api_refused"] += 1
    return json_answer({"error": why}, 401, WWW_Authenticate=challenge)


def _echo(request: Request) -> dict[str, object]:
    headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    return {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": headers,
        "length": len(request.body),
        "sha256": hashlib.sha256(request.body).hexdigest(),
        "body": request.body[:4096].decode("utf-8", "replace"),
    }
