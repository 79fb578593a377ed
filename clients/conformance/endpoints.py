"""The endpoints beside the token endpoint: metadata, authorization, devices, revocation."""

from urllib.parse import urlencode, urlsplit

from clients.conformance.configuration import Mode
from clients.conformance.grants import CLIENTS, GRANTS, client, form, new_secret
from clients.conformance.messages import Answer, Refusal, Request, json_answer, parameters
from clients.conformance.state import Code, Device, State

USER = "ana"  # who approves where a flow does not say


def metadata(state: State, _request: Request) -> Answer:
    """RFC 8414. It announces the replay of successors only where there is one."""
    state.ledger.counts["metadata_requests"] += 1
    said: dict[str, object] = {
        "issuer": state.issuer,
        "authorization_endpoint": f"{state.issuer}/authorize",
        "token_endpoint": f"{state.issuer}/token",
        "revocation_endpoint": f"{state.issuer}/revoke",
        "device_authorization_endpoint": f"{state.issuer}/device_authorization",
        "grant_types_supported": list(GRANTS),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [
            "none",
            "client_secret_basic",
            "client_secret_post",
        ],
        "authorization_response_iss_parameter_supported": True,
    }
    if state.rules.hints:
        said["refresh_token_expiration_types_supported"] = [
            "refresh_token_timeout",
            "authorization_expires_in",
        ]
    if state.rules.mode is Mode.SUCCESSOR:
        said["refresh_token_replay_supported"] = True
    return json_answer(said)


def authorize(state: State, request: Request) -> Answer:
    """Approves at once, as whoever `login_hint` names."""
    asked = parameters(request.query)
    target = asked.get("redirect_uri", "")
    if asked.get("client_id") not in CLIENTS or not _is_loopback(target):
        raise Refusal("invalid_request", "The client or its redirect_uri is unknown.")
    told = {"state": asked.get("state", ""), "iss": state.issuer}
    if asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256":
        return _back(target, {"error": "invalid_request", **told})
    code = new_secret("ac")
    state.codes[code] = Code(
        user=asked.get("login_hint", USER),
        client_id=asked["client_id"],
        scope=asked.get("scope", "read"),
        redirect_uri=target,
        challenge=asked.get("code_challenge", ""),
    )
    return _back(target, {"code": code, **told})


def device_authorization(state: State, request: Request) -> Answer:
    """Approved by nobody after `device_polls` questions."""
    fields = form(request)
    client_id = client(request, fields)
    code = new_secret("dc")
    scope = fields.get("scope", "read")
    state.devices[code] = Device(USER, client_id, scope, state.rules.device_polls)
    page = f"{state.issuer}/portal"
    told = {"verification_uri": page, "verification_uri_complete": f"{page}?user_code=BCDF"}
    return json_answer(
        {"device_code": code, "user_code": "BCDF", **told, "expires_in": 600, "interval": 1}
    )


def revoke(state: State, request: Request) -> Answer:
    """RFC 7009. A refresh token of any generation ends its family; unknown ones are fine."""
    fields = form(request)
    client_id = client(request, fields)
    presented = fields.get("token", "")
    if not presented:
        raise Refusal("invalid_request", "There is no token.")
    state.ledger.counts["revocations"] += 1
    now = state.clock.now()
    found = state.families.find(presented, client_id)
    access = state.access.find(presented)
    ended = bool(found and found[0].end("session_ended", now, by_client=True))
    if access is not None and access.family.client_id == client_id:
        access.denied = True
    name = found[0].id if found else None
    state.ledger.note(now, "revocation", family=name, ended=ended)
    return Answer(200, {"Cache-Control": "no-store"})


def _is_loopback(target: str) -> bool:
    parts = urlsplit(target)
    return parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}


def _back(target: str, members: dict[str, str]) -> Answer:
    joint = "&" if urlsplit(target).query else "?"
    return Answer(302, {"Location": f"{target}{joint}{urlencode(members)}"})
