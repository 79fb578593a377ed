"""From an authorization request to its answer, by way of the pages for people.

A request that needs a person is parked: its parameters wait in the database, tied to the browser, and
the pages carry an id. So no page has a return address that somebody could change.
"""

import json
import secrets
from dataclasses import dataclass

from flask import Response
from sqlalchemy import Connection

from app.core import authorization as rules
from app.core import redirects
from app.core.authorization import CODE_LIFE, Asked, Step
from app.core.authorization_events import AuthorizationRefused, Authorized
from app.core.outcomes import ErrorCode
from app.core.sessions import SECOND
from app.protocol import authorization, browser, pages
from app.protocol.authorization import PARAMETERS, Denied, Read, Unaddressed
from app.protocol.browser import Visitor, digest
from app.protocol.forms import Form
from app.services.runtime import Runtime
from app.store import audit, authorizations, browser_sessions, consents
from app.store.authorizations import Code, Kind
from app.store.browser_sessions import BrowserSession

PARKED_FOR = 15 * 60 * SECOND
ANSWERED_FOR = 60 * SECOND
"""How long the same answer gets the same result: people click twice, and go back."""
CODE_PREFIX = "prn_ac_"


@dataclass(frozen=True, slots=True, repr=False)
class Waiting:
    """A parked request. `before` is the browser session that there was when it came."""

    id: str
    form: Form
    before: str
    since: int


def park(run: Runtime, who: Visitor, form: Form) -> Waiting:
    now, request_id = run.now(), secrets.token_urlsafe(32)
    before = "" if who.session is None else who.session.public_id
    with run.rotations.connect() as connection:
        authorizations.add_request(
            connection,
            Kind.PARKED,
            digest(request_id),
            who.owner,
            written(form, before),
            now,
            now + PARKED_FOR,
        )
    return Waiting(request_id, form, before, now)


def waiting(
    run: Runtime, who: Visitor, request_id: str, answer: Kind = Kind.ALLOWED
) -> Waiting | None:
    """One that has not been answered yet, or in the last minute with this `answer`."""
    with run.rotations.connect() as connection:
        found = authorizations.find_request(
            connection, {Kind.PARKED, answer}, digest(request_id), who.owner, run.now()
        )
    if found is None:
        return None
    return Waiting(request_id, *parsed(found.parameters), found.created_at)


def written(form: Form, before: str = "") -> str:
    """A request as it is kept: nothing else that was sent with it, a secret for example."""
    values = {name: value for name, value in form.values.items() if name in PARAMETERS}
    return json.dumps([values, form.resources, before])


def parsed(text: str) -> tuple[Form, str]:
    values, resources, before = json.loads(text)
    return Form(values, tuple(resources)), before


def again(run: Runtime, request: Waiting) -> Read:
    """Judged anew: the client may have changed or gone meanwhile (RFC 9126 §7.4)."""
    return authorization.read(run, request.form, pushed=True)


def next_step(
    run: Runtime, asked: Asked, who: Visitor, request: Waiting | None, *, allowed: bool = False
) -> Step:
    session = who.session
    just_now = (
        session is not None
        and request is not None
        and session.public_id != request.before
        and session.auth_time >= request.since
    )
    return rules.step(
        asked,
        auth_time=None if session is None else session.auth_time,
        just_now=just_now,
        consented=allowed or _consented(run, asked, who),
        now=run.now(),
    )


def _consented(run: Runtime, asked: Asked, who: Visitor) -> bool:
    if rules.may_skip_consent(asked):
        return True
    if who.session is None or not rules.may_remember_consent(asked):
        return False
    with run.rotations.connect() as connection:
        return authorizations.has_consented(
            connection, who.session.user_id, asked.client.client_id, asked.covered
        )


def proceed(
    run: Runtime,
    found: Read,
    who: Visitor,
    form: Form,
    request: Waiting | None = None,
    *,
    allowed: bool = False,
) -> Response:
    """The next page, or the answer to the client. `allowed`: the person has just said so."""
    match found:
        case Unaddressed():
            return unaddressed(run, found)
        case Denied():
            return authorization.denied(run, found)
        case Asked():
            coming = next_step(run, found, who, request, allowed=allowed)
    match coming:
        case Step.LOGIN_REQUIRED | Step.CONSENT_REQUIRED:
            error = ErrorCode(coming.value)
            return authorization.denied(run, authorization.deny(found, error, "prompt_none"))
        case Step.SIGN_IN | Step.CONSENT:
            path = pages.SIGN_IN if coming is Step.SIGN_IN else pages.CONSENT
            return _page(run, path, who, request or park(run, who, form))
        case Step.GRANT:
            return _grant(run, found, who, request, allowed=allowed)


def _page(run: Runtime, path: str, who: Visitor, request: Waiting) -> Response:
    location = f"{run.settings.require_issuer()}{path}?request={request.id}"
    return browser.remember(run, authorization.redirect(location), who)


def _grant(
    run: Runtime, asked: Asked, who: Visitor, request: Waiting | None, *, allowed: bool
) -> Response:
    """Code and consent are stored, and the parked request is answered, in one transaction."""
    session, now = who.session, run.now()
    assert session is not None, "nobody is granted anything without one"
    client_id, user_id = asked.client.client_id, session.user_id
    text = CODE_PREFIX + secrets.token_urlsafe(32)
    code = Code(
        digest=digest(text),
        client_id=client_id,
        redirect_uri=asked.redirect_uri,
        redirect_uri_sent=asked.redirect_uri_sent,
        challenge=asked.challenge,
        scope=asked.scope,
        resource=" ".join(asked.resources),
        user_id=user_id,
        user_epoch=session.user_epoch,
        auth_time=session.auth_time,
        browser_session_id=session.public_id,
        expires_at=now + CODE_LIFE,
    )
    with run.transactions.begin() as connection:
        if not _still_may(connection, asked, session, allowed=allowed):
            return over(run)
        if request is not None and not _answer(run, connection, who, request, Kind.ALLOWED):
            return over(run)
        if allowed:
            authorizations.remember_consent(connection, user_id, client_id, asked.covered, now)
            facts = {"user_id": user_id, "client_id": client_id, "detail": asked.scope}
            audit.record(connection, now, "consent_given", facts)
        authorizations.add_code(connection, code)
    run.telemetry.publish([Authorized(client_id, user_id, asked.scope, allowed)])
    return authorization.send(run, asked.redirect_uri, asked.state, {"code": text})


def _still_may(
    connection: Connection, asked: Asked, session: BrowserSession, *, allowed: bool
) -> bool:
    """Whether what the code rests on is still there, and stays until the code is: whoever ends the
    session or withdraws the consent finds the code then.
    """
    if not browser_sessions.hold(connection, session.digest):
        return False
    if allowed or rules.may_skip_consent(asked):
        return True
    return consents.hold(connection, session.user_id, asked.client.client_id, asked.covered)


def _answer(run: Runtime, connection: Connection, who: Visitor, it: Waiting, answer: Kind) -> bool:
    now = run.now()
    return authorizations.answer_parked(
        connection, digest(it.id), who.owner, answer, now, now + ANSWERED_FOR
    )


def decline(run: Runtime, asked: Asked, who: Visitor, request: Waiting) -> Response:
    """The person said no (RFC 6749 §4.1.2.1)."""
    with run.transactions.begin() as connection:
        if not _answer(run, connection, who, request, Kind.DENIED):
            return over(run)
    return authorization.denied(
        run, authorization.deny(asked, ErrorCode.ACCESS_DENIED, "person_declined")
    )


def over(run: Runtime) -> Response:
    """There is no such request, any more or in this browser."""
    return pages.error(
        run,
        400,
        "This sign-in is over",
        "It has been finished already, has waited for too long, or began in another browser. "
        "Go back to the application and start again. Cookies have to be allowed.",
    )


def unaddressed(run: Runtime, found: Unaddressed) -> Response:
    run.telemetry.publish([AuthorizationRefused(found.client_id, "", found.why)])
    told = {
        "unknown_client": "This server does not know the application that sent you here.",
        "client_disabled": "The application that sent you here may no longer use this server.",
        "request_uri_over": (
            "The request that the application made has been used already or has waited for too "
            "long. Go back to the application and start again."
        ),
        "redirect_uri_not_registered": (
            "The application that sent you here asks to send you on to an address that is not "
            "registered for it. Nobody was told anything about you."
        ),
    }
    text = told.get(found.why, "The application that sent you here made a mistake in its request.")
    return pages.error(run, 400, "This link does not work", text)


def leads_to(asked: Asked) -> list[str]:
    """Where an answer to a form of ours may take the browser: the client's own origins."""
    uris = (asked.redirect_uri, *asked.client.redirect_uris)
    return [*map(redirects.source, uris), *asked.client.origins]
