"""Keeping a request for the client that pushed it."""

import secrets

from app.core.authorization import Asked
from app.core.authorization_events import AuthorizationRefused
from app.core.clients import Client
from app.core.outcomes import ErrorCode, Refused
from app.core.sessions import SECOND
from app.protocol import authorization
from app.protocol.authorization import PUSHED, Denied
from app.protocol.browser import digest
from app.protocol.forms import Form, MalformedError
from app.protocol.interaction import written
from app.protocol.responses import RefusedError
from app.services.runtime import Runtime
from app.store import authorizations
from app.store.authorizations import Kind

PUSHED_FOR = 60 * SECOND


def push(run: Runtime, client: Client, form: Form) -> str:
    """The request URI. Raises what a token request would raise (RFC 9126 §2.3)."""
    if "request_uri" in form.values:
        raise MalformedError("request_uri")
    kept = Form({**form.values, "client_id": client.client_id}, form.resources)
    found = authorization.read(run, kept, pushed=True)
    if not isinstance(found, Asked):
        error = found.error if isinstance(found, Denied) else ErrorCode.INVALID_REQUEST
        event = AuthorizationRefused(client.client_id, error.value, found.why)
        raise RefusedError(Refused(error=error, events=(event,)))
    now, reference = run.now(), secrets.token_urlsafe(32)
    with run.rotations.connect() as connection:
        authorizations.add_request(
            connection,
            Kind.PUSHED,
            digest(reference),
            client.client_id,
            written(kept),
            now,
            now + PUSHED_FOR,
        )
    return PUSHED + reference
