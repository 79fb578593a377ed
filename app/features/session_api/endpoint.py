"""`/api/v1/auth/…`, HTTP side. Answers are JSON, refusals problem details (RFC 9457)."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import wraps
from typing import ParamSpec

from flask import Blueprint, Request, Response

from app.core.clients import NOBODY, Client
from app.core.devices import described as described_device
from app.core.events import Event
from app.core.outcomes import Issued, Outcome
from app.core.sessions import Channel, Session, Terms
from app.features.session_api import use_case
from app.protocol import bearer, cookie_mode, forms, json_body, refresh
from app.protocol.described_sessions import described
from app.protocol.forms import MalformedError
from app.protocol.grant import current_request, device
from app.protocol.json_body import JsonBody
from app.protocol.password_sign_in import GRANT as PASSWORD
from app.protocol.password_sign_in import Attempt, sign_in_with_password
from app.protocol.problems import API, Problem, Reason, problem, rendered, translated
from app.protocol.responses import NO_STORE, RefusedError, encoded, token_members
from app.protocol.sign_in import REFRESH_GRANT
from app.services.runtime import Runtime, runtime
from app.store import users

blueprint = Blueprint("session_api", __name__, url_prefix=API.rstrip("/"))

Path = ParamSpec("Path")
Answer = Response | Problem


def _answering(view: Callable[Path, Answer]) -> Callable[Path, Response]:
    """Render what a view came to, its refusals and those of the parsers included."""

    @wraps(view)
    def answering(*args: Path.args, **kwargs: Path.kwargs) -> Response:
        try:
            answer = view(*args, **kwargs)
        except MalformedError as error:
            answer = problem(Reason.INVALID_REQUEST, error.why)
        except RefusedError as error:
            answer = translated(error.refused)
        if isinstance(answer, Response):
            return answer
        return rendered(answer, _published(answer.events).settings.require_issuer())

    return answering


def _published(events: Iterable[Event]) -> Runtime:
    run = runtime()
    run.telemetry.publish(events)
    return run


@blueprint.post("/login")
@_answering
def login() -> Answer:
    """The password is checked, counted and limited where the password grant does it."""
    run, request = runtime(), current_request()
    opened = _opened(run, request)
    if isinstance(opened, Problem):
        return opened
    channel, body = opened
    attempt = _attempt(body, channel)
    client = _served(run, request, body.required("client_id"), PASSWORD, channel)
    if isinstance(client, Problem):
        return client
    return _tokens(run, channel, sign_in_with_password(run, client, attempt, use_case.LOGIN))


def _attempt(body: JsonBody, channel: Channel) -> Attempt:
    remember_me = body.flag("remember_me")
    named = described_device(name=body.text("device_name") or "")
    return Attempt(
        username=users.normal(body.required("username")),
        password=body.required("password"),
        scope=body.text("scope"),
        resources=(),
        device=replace(device(), name=named.name),
        terms=Terms(channel, remember_me=remember_me, first_party=True),
    )


@blueprint.post("/refresh-token")
@_answering
def refresh_token() -> Answer:
    run, request = runtime(), current_request()
    opened = _opened(run, request)
    if isinstance(opened, Problem):
        return opened
    channel, body = opened
    key = forms.idempotency_key(request.headers.get("Idempotency-Key"))
    text = _presented(run, request, body, channel)
    client = _client_of(run, request, body, channel, text)
    if isinstance(client, Problem):
        return client
    if text is None:
        return problem(Reason.BAD_CREDENTIALS, "no_cookie")
    asked = refresh.Request(text, key=key, device=device(), channel=channel, first_party=True)
    return _tokens(run, channel, refresh.refresh(run, client, asked))


def _presented(run: Runtime, request: Request, body: JsonBody, channel: Channel) -> str | None:
    if channel is Channel.COOKIE:
        return cookie_mode.token(run, request)
    return body.required("refresh_token")


def _client_of(
    run: Runtime, request: Request, body: JsonBody, channel: Channel, text: str | None
) -> Client | Problem:
    """Who refreshes: whom the body names or, with a cookie, whose session it is."""
    named = body.text("client_id")
    if named is None and channel is Channel.BODY:
        raise MalformedError("missing_client_id")
    if named is None:
        client = NOBODY if text is None else use_case.owner(run, text)
        if client is NOBODY:
            return cookie_mode.foreign_origin(run, request, client) or client
        named = client.client_id
    return _served(run, request, named, REFRESH_GRANT, channel)


def _served(
    run: Runtime, request: Request, client_id: str, grant: str, channel: Channel
) -> Client | Problem:
    switched_off = grant == PASSWORD and run.settings.password_grant == "off"  # noqa: S105
    client = None if switched_off else use_case.served(run, client_id, grant)
    if client is None:
        why = "login_switched_off" if switched_off else "client_not_allowed"
        return problem(Reason.CLIENT_NOT_ALLOWED, why)
    if channel is Channel.COOKIE:
        return cookie_mode.foreign_origin(run, request, client) or client
    return client


@blueprint.post("/logout")
@_answering
def logout() -> Answer:
    """The cookie is deleted with every 204, also when it was good for nothing."""
    run, request = runtime(), current_request()
    opened = _opened(run, request)
    if isinstance(opened, Problem):
        return opened
    channel, body = opened
    everywhere = body.flag("everywhere")
    if channel is Channel.BODY:
        events = _logged_out(run, request, body.text("refresh_token"), channel, everywhere)
        return events if isinstance(events, Problem) else _nothing_more(events)
    text = cookie_mode.token(run, request)
    client = NOBODY if text is None else use_case.owner(run, text)
    objection = cookie_mode.foreign_origin(run, request, client)
    events = objection or _logged_out(run, request, text, channel, everywhere)
    if isinstance(events, Problem):
        return events
    answer = _nothing_more(events)
    cookie_mode.delete(run, answer)
    return answer


def _logged_out(
    run: Runtime,
    request: Request,
    text: str | None,
    channel: Channel,
    everywhere: bool,  # noqa: FBT001  # a member of the request
) -> tuple[Event, ...] | Problem:
    """By the refresh token or, without one, by the bearer; either will do for everywhere."""
    if everywhere:
        held = None if text is None else use_case.holder(run, text, channel)
        session = held or bearer.authenticate(run, request.headers)
        if isinstance(session, Problem):
            return session
        return use_case.log_out_everywhere(run, session)
    if text is not None:
        return use_case.log_out(run, text, channel)
    if "Authorization" not in request.headers:
        if channel is Channel.BODY:
            raise MalformedError("missing_refresh_token")
        return ()
    session = bearer.authenticate(run, request.headers)
    if isinstance(session, Problem):
        return session
    return use_case.log_out_here(run, session)


@blueprint.get("/session")
@_answering
def session() -> Answer:
    run = runtime()
    current = bearer.authenticate(run, current_request().headers)
    if isinstance(current, Problem):
        return current
    user = use_case.person(run, current)
    who = {"sub": user.id, "username": user.username, "email": user.email}
    return _json({**_shown(run, current, current), "user": who})


@blueprint.get("/sessions")
@_answering
def sessions() -> Answer:
    run = runtime()
    current = bearer.authenticate(run, current_request().headers)
    if isinstance(current, Problem):
        return current
    return _json({"sessions": [_shown(run, s, current) for s in use_case.living(run, current)]})


@blueprint.delete("/sessions/<public_id>")
@_answering
def end_session(public_id: str) -> Answer:
    run = runtime()
    current = bearer.authenticate(run, current_request().headers)
    if isinstance(current, Problem):
        return current
    events = use_case.end_own(run, current, public_id)
    if events is None:
        return replace(problem(Reason.INVALID_REQUEST, "unknown_session"), status=404)
    return _nothing_more(events)


def _opened(run: Runtime, request: Request) -> tuple[Channel, JsonBody] | Problem:
    """Which channel a request is on, and its body. In cookie mode a script has no refresh token to
    send.
    """
    channel = cookie_mode.channel(request)
    objection = cookie_mode.objection(run, request, channel)
    if objection is not None:
        return objection
    body = json_body.read(request)
    if channel is Channel.COOKIE and "refresh_token" in body.members:
        raise MalformedError("refresh_token_in_body")
    return channel, body


def _tokens(run: Runtime, channel: Channel, outcome: Outcome) -> Answer:
    if not isinstance(outcome, Issued):
        return translated(outcome)
    assert outcome.session is not None, "there is a person behind every session here"
    _published(outcome.events)
    members = token_members(outcome)
    if channel is Channel.COOKIE:
        members.pop("refresh_token", None)
    members["session"] = _shown(run, outcome.session, outcome.session)
    answer = _json(members)
    if channel is Channel.COOKIE and outcome.refresh_token is not None:
        cookie_mode.keep(run, answer, outcome)
    return answer


def _shown(run: Runtime, session: Session, current: Session) -> dict[str, object]:
    return {**described(session, run.now()), "current": session.public_id == current.public_id}


def _json(members: dict[str, object]) -> Response:
    return Response(encoded(members), 200, list(NO_STORE), content_type="application/json")


def _nothing_more(events: Iterable[Event]) -> Response:
    _published(events)
    return Response(status=204, headers=list(NO_STORE))
