"""Cookie mode of the first-party API: a refresh token that no script can read.

A cookie is sent by the browser, whoever made it send it. So every request has to show that it was
made by the application: the two headers below cannot be set from another origin without CORS.
"""

from flask import Request, Response

from app.core.clients import NOBODY, Client
from app.core.outcomes import Issued
from app.core.sessions import Channel
from app.protocol.browser import own_origin, secure
from app.protocol.forms import MalformedError
from app.protocol.problems import Problem, Reason, problem
from app.services.runtime import Runtime

MODE = "X-Session-Mode"
REQUESTED_WITH = "perennial"
# What a form or a script of any origin may send without asking first (Fetch standard).
SIMPLE_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})


def channel(request: Request) -> Channel:
    """How this request wants its refresh token carried."""
    mode = request.headers.get(MODE, Channel.BODY)
    if mode not in set(Channel):
        raise MalformedError("session_mode")
    return Channel(mode)


def token(run: Runtime, request: Request) -> str | None:
    return request.cookies.get(_name(run)) or None


def objection(run: Runtime, request: Request, chosen: Channel) -> Problem | None:
    """What any request with a cookie has to show, whoever its client is."""
    simple = request.mimetype in SIMPLE_TYPES
    if simple and (chosen is Channel.COOKIE or token(run, request) is not None):
        return problem(Reason.CSRF, "simple_content_type")
    if chosen is Channel.COOKIE and request.headers.get("X-Requested-With") != REQUESTED_WITH:
        return problem(Reason.CSRF, "requested_with")
    return None


def foreign_origin(run: Runtime, request: Request, client: Client) -> Problem | None:
    """Whether the request comes from neither this server nor an origin of its client. For nobody's
    token any registered origin will do: it gets nothing there, and is told no more than that.
    """
    origin = request.headers.get("Origin", "")
    known = origin in client.origins
    if client is NOBODY:
        known = run.registry.is_origin(origin, run.now())
    if known or origin == own_origin(run):
        return None
    return problem(Reason.CSRF, "foreign_origin" if origin else "no_origin")


def keep(run: Runtime, response: Response, issued: Issued) -> None:
    """Hand the refresh token to the browser; without "remember me" for as long as it runs."""
    assert issued.session is not None, "a client's own token is not carried in cookies"
    lasting = issued.authorization_expires_in if issued.session.remember_me else None
    _set(run, response, issued.refresh_token or "", lasting)


def delete(run: Runtime, response: Response) -> None:
    _set(run, response, "", 0)


def _set(run: Runtime, response: Response, value: str, max_age: int | None) -> None:
    response.set_cookie(
        _name(run),
        value,
        max_age=max_age,
        path="/",
        secure=secure(run),
        httponly=True,
        samesite="Lax",
    )


def _name(run: Runtime) -> str:
    """The prefix makes browsers refuse the cookie from anybody but this very host over TLS."""
    return "__Host-perennial_rt" if secure(run) else "perennial_rt"
