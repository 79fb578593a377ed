"""The token endpoint: client authentication, and one function for each grant."""

import hashlib
import re
import secrets
from base64 import b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable, Mapping
from urllib.parse import unquote_plus

from clients.conformance.configuration import Mode
from clients.conformance.families import MARK, Family, Verdict
from clients.conformance.messages import Answer, Refusal, Request, json_answer, parameters
from clients.conformance.state import State

PASSWORD = "correct horse"  # noqa: S105  # of everybody; this server guards nothing
CLIENTS = {"conformance": "", "second": "", "service": "service secret"}  # no secret: public
_KEY = re.compile(r"[!#-+\--\[\]-~]{16,128}")


def form(request: Request) -> dict[str, str]:
    """RFC 6749 §3.2: parameters come in the body of a POST and nowhere else."""
    if request.method != "POST":
        raise Refusal("invalid_request", "POST is the method.", 405)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded" or request.query:
        raise Refusal("invalid_request", "A form is expected, and no query.")
    return parameters(request.body.decode("utf-8", "replace"))


def client(request: Request, fields: Mapping[str, str]) -> str:
    """The id of the client that sent the request."""
    header = request.headers.get("authorization")
    posted = (fields.get("client_id", ""), fields.get("client_secret", ""))
    client_id, secret = posted if header is None else _basic(header)
    if CLIENTS.get(client_id) != secret:
        raise Refusal("invalid_client", "The client is unknown, or its secret is wrong.", 401)
    return client_id


def _basic(header: str) -> tuple[str, str]:
    scheme, _, credentials = header.partition(" ")
    try:
        name, _, secret = b64decode(credentials, validate=True).decode().partition(":")
    except (Error, UnicodeDecodeError):
        name, secret = "", ""
    if scheme.lower() != "basic":
        raise Refusal("invalid_client", "Basic is the scheme.", 401)
    return unquote_plus(name), unquote_plus(secret)


def token(state: State, request: Request) -> Answer:
    fields = form(request)
    client_id = client(request, fields)
    grant = GRANTS.get(fields.get("grant_type", ""))
    if grant is None:
        raise Refusal("unsupported_grant_type", "There is no such grant here.")
    return grant(state, request, fields, client_id)


def _password(state: State, _request: Request, fields: Mapping[str, str], client_id: str) -> Answer:
    if not fields.get("username") or fields.get("password") != PASSWORD:
        raise Refusal("invalid_grant", "The name or the password is wrong.")
    return _sign_in(state, fields["username"], client_id, fields.get("scope", "read"))


def _code(state: State, _request: Request, fields: Mapping[str, str], client_id: str) -> Answer:
    known = state.codes.pop(fields.get("code", ""), None)
    verifier = fields.get("code_verifier", "").encode()
    challenge = urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
    given = (client_id, fields.get("redirect_uri"), challenge)
    if known is None or (known.client_id, known.redirect_uri, known.challenge) != given:
        raise Refusal("invalid_grant", "The code is unknown, used, or not for this request.")
    return _sign_in(state, known.user, client_id, known.scope)


def _device(state: State, _request: Request, fields: Mapping[str, str], client_id: str) -> Answer:
    known = state.devices.get(fields.get("device_code", ""))
    if known is None or known.client_id != client_id:
        raise Refusal("expired_token", "The device code is unknown.")
    if known.polls_left > 0:
        known.polls_left -= 1
        raise Refusal("authorization_pending", "Nobody has approved yet.")
    del state.devices[fields["device_code"]]
    return _sign_in(state, known.user, client_id, known.scope)


def _sign_in(state: State, user: str, client_id: str, scope: str) -> Answer:
    now = state.clock.now()
    earlier = tuple(state.families)
    family = state.families.begin(user, client_id, scope, now, state.rules)
    state.ledger.signed_in(now, family, earlier)
    return _tokens(state, family, now)


def _refresh(state: State, request: Request, fields: Mapping[str, str], client_id: str) -> Answer:
    now = state.clock.now()
    presented = fields.get("refresh_token", "")
    if not presented:
        raise Refusal("invalid_request", "There is no refresh_token.")
    state.ledger.counts["access_as_refresh"] += state.access.find(presented) is not None
    key = _key(request) if state.rules.mode is Mode.SUCCESSOR else None
    found = state.families.find(presented, client_id)
    asked = set(fields.get("scope", "").split())
    if found and not asked <= set(found[0].scope.split()):
        raise Refusal("invalid_scope", "That is more than was granted.")
    judgement = state.families.refresh(presented, client_id, key, now, state.rules)
    state.ledger.judged(now, judgement, key)
    if judgement.verdict in {Verdict.REFUSED, Verdict.REUSED} or judgement.family is None:
        reason = judgement.reason if state.rules.reasons else None
        raise Refusal("invalid_grant", "The refresh token is not good any more.", reason=reason)
    return _tokens(state, judgement.family, now, kept=judgement.verdict is Verdict.KEPT)


def _key(request: Request) -> str | None:
    header = request.headers.get("idempotency-key")
    if header is None:
        return None
    quoted = len(header) > 1 and header[0] == header[-1] == '"'
    key = header[1:-1] if quoted else header
    if not _KEY.fullmatch(key):
        raise Refusal("invalid_request", "The Idempotency-Key is not one.")
    return key


def _tokens(state: State, family: Family, now: float, *, kept: bool = False) -> Answer:
    rules = state.rules
    access, lifetime = state.access.mint(family, now, rules)
    told: dict[str, object] = {"access_token": access, "token_type": "Bearer"}
    if rules.expires_in != "omitted":
        true = rules.expires_in == "lifetime"
        told["expires_in"] = _number(lifetime if true else float(rules.expires_in))
    if not kept:
        told["refresh_token"] = family.tokens[-1]
    told["scope"] = family.scope
    if rules.hints and rules.idle is not None:
        told["refresh_token_timeout"] = _number(family.idle_ends - now)
    if rules.hints and rules.absolute is not None:
        told["authorization_expires_in"] = _number(family.ends - now)
    return json_answer(told, Pragma="no-cache")


def _number(seconds: float) -> float:
    rounded = round(seconds, 3)
    return int(rounded) if rounded.is_integer() else rounded


def new_secret(kind: str) -> str:
    return f"{MARK}{kind}_{secrets.token_urlsafe(18)}"


Grant = Callable[[State, Request, Mapping[str, str], str], Answer]
GRANTS: Mapping[str, Grant] = {
    "password": _password,
    "authorization_code": _code,
    "refresh_token": _refresh,
    "urn:ietf:params:oauth:grant-type:device_code": _device,
}
