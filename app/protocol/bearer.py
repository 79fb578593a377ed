"""Access tokens that people's own applications present to this server itself (RFC 6750)."""

from werkzeug.datastructures import Headers

from app.core.sessions import Session
from app.protocol.problems import Problem, Reason, problem
from app.services import access_tokens
from app.services.access_tokens import AccessToken
from app.services.runtime import Runtime


def authenticate(run: Runtime, headers: Headers) -> Session | Problem:
    """The session behind the token, if the token is addressed to this server and its client is
    the owner's. 401 for what is no token of ours or has expired, 403 for any other that will not do.
    """
    scheme, _, text = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return problem(Reason.BAD_CREDENTIALS, "no_bearer")
    token = access_tokens.read(run, text.strip())
    if token is None:
        return problem(Reason.BAD_CREDENTIALS, "unknown_bearer", challenge="invalid_token")
    session = access_tokens.living_session(run, token)
    why = _objection(run, token) or ("session_over" if session is None else None)
    if why is not None or session is None:
        return problem(Reason.INSUFFICIENT_SCOPE, f"bearer_{why}", challenge="insufficient_scope")
    return session


def _objection(run: Runtime, token: AccessToken) -> str | None:
    if run.settings.require_issuer() not in token.audience:
        return "for_others"
    client = run.registry.client(token.client_id, run.now())
    if client is None or not client.first_party:
        return "not_first_party"
    return None if "sid" in token.claims else "without_session"
