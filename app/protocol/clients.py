"""Client authentication (RFC 6749 §2.3): Basic, body, or none. Every failure is answered alike."""

import binascii
from base64 import b64decode
from dataclasses import dataclass, replace
from urllib.parse import unquote_to_bytes

from authlib.oauth2 import OAuth2Error
from werkzeug.datastructures import Headers

from app.core.clients import NOBODY, AuthMethod, Client
from app.core.events import ClientRefused
from app.core.outcomes import ErrorCode, Refused
from app.protocol.forms import Form, MalformedError, parse
from app.protocol.responses import RefusedError, too_often
from app.services.ratelimit import Limit, source
from app.services.runtime import Runtime

FAILED_SECRETS = Limit("client_secret", failures=30, window=60_000)
LONGEST_ID = 64
_ASSERTION = ("client_assertion", "client_assertion_type")


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What a request presents; `secret` is empty when it names a client and proves nothing."""

    client_id: str
    secret: bytes
    method: AuthMethod


def authenticate(run: Runtime, headers: Headers, form: Form, address: str) -> Client:
    """The client that sent the request.

    Raises `RefusedError` (invalid_client, the same for an unknown client, a wrong secret and a
    wrong method) or `MalformedError` for two authentications at once.
    """
    presented = _credentials(headers, form)
    now = run.now()
    client = find(run, presented.client_id, now)
    proven = client.secrets.match(presented.secret, now)
    why = _objection(client, presented, proven=proven)
    if why is None:
        return client
    raise RefusedError(_refusal(run, presented, why, address))


def named(run: Runtime, headers: Headers, body: bytes) -> Client:
    """Whom a request says it comes from, proven or not; NOBODY when it says nothing readable."""
    try:
        presented = _credentials(headers, parse(body))
    except OAuth2Error:
        return NOBODY
    return find(run, presented.client_id, run.now())


def find(run: Runtime, client_id: str, now: int) -> Client:
    """A name no registration could have (RFC 6749 Appendix A.1) is nobody's."""
    if len(client_id) > LONGEST_ID or not (client_id.isascii() and client_id.isprintable()):
        return NOBODY
    return run.registry.client(client_id, now) or NOBODY


def _objection(client: Client, presented: Credentials, *, proven: bool) -> str | None:
    if client is NOBODY:
        return "unknown_client"
    if presented.method not in client.auth_methods:
        return "method_not_registered"
    if presented.method is not AuthMethod.NONE and not proven:
        return "wrong_secret"
    return "client_disabled" if client.disabled else None


def _refusal(run: Runtime, presented: Credentials, why: str, address: str) -> Refused:
    """Failures are counted and answered 429 past the limit (RFC 6749 §2.3.1). A right secret is
    never refused for them: 256 random bits need no throttle, and an honest client no lock-out.
    """
    known = presented.client_id if why != "unknown_client" else ""
    event = ClientRefused(client=known, why=why)
    key = f"{source(address)} {presented.client_id}"
    wait = run.client_failures.record(FAILED_SECRETS, key, run.now())
    if wait:
        return replace(too_often(wait), events=(event,))
    return Refused(error=ErrorCode.INVALID_CLIENT, events=(event,))


def _credentials(headers: Headers, form: Form) -> Credentials:
    named = form.values.get("client_id")
    in_body = form.values.get("client_secret")
    header = headers.get("Authorization")
    asserted = any(name in form.values for name in _ASSERTION)
    if [header is not None, in_body is not None, asserted].count(True) > 1:
        raise MalformedError("two_client_authentications")
    if asserted:
        raise _unreadable("assertion_not_supported")
    if header is not None:
        return _from_header(header, named)
    if named is None:
        raise _unreadable("no_client")
    if in_body is None:
        return Credentials(named, b"", AuthMethod.NONE)
    return Credentials(named, in_body.encode(), AuthMethod.POST)


def _from_header(header: str, named: str | None) -> Credentials:
    client_id, secret = _basic(header)
    if named is not None and named != client_id:
        raise MalformedError("two_client_ids")
    # An empty password is how some libraries say that a public client has none.
    method = AuthMethod.BASIC if secret else AuthMethod.NONE
    return Credentials(client_id, secret, method)


def _basic(header: str) -> tuple[str, bytes]:
    """User-id and password, form-decoded (RFC 6749 §2.3.1, RFC 7617 §2)."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise _unreadable("scheme_not_supported")
    try:
        user, colon, password = b64decode(encoded.strip(), validate=True).partition(b":")
        client_id = _form_decode(user).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise _unreadable("malformed_basic") from error
    if not colon or not client_id:
        raise _unreadable("malformed_basic")
    return client_id, _form_decode(password)


def _form_decode(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _unreadable(why: str) -> RefusedError:
    event = ClientRefused(client="", why=why)
    return RefusedError(Refused(error=ErrorCode.INVALID_CLIENT, events=(event,)))
