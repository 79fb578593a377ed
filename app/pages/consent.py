"""/consent: what an application asks for, for whom, until when; yes or no."""

from flask import Response

from app.core.authorization import Asked, Step
from app.pages import page_forms
from app.pages.moments import Moment, moment
from app.protocol import browser, interaction, pages
from app.protocol.browser import Visitor
from app.protocol.forms import MalformedError
from app.protocol.grant import current_request
from app.protocol.interaction import Waiting
from app.protocol.sign_in import REFRESH_GRANT
from app.services.runtime import Runtime, runtime
from app.store import users
from app.store.authorizations import Kind
from app.store.browser_sessions import BrowserSession

PAGE = "consent"


def show() -> Response:
    run, request = runtime(), current_request()
    who = browser.visitor(run, request)
    try:
        request_id = page_forms.query(request).values.get("request", "")
    except MalformedError as error:
        return page_forms.malformed(run, request, error)
    waiting = interaction.waiting(run, who, request_id)
    if waiting is None:
        return interaction.over(run)
    found = interaction.again(run, waiting)
    if isinstance(found, Asked) and interaction.next_step(run, found, who, waiting) is Step.CONSENT:
        return browser.remember(run, _question(run, who, waiting, found), who)
    return interaction.proceed(run, found, who, waiting.form, waiting)


def _question(run: Runtime, who: Visitor, waiting: Waiting, asked: Asked) -> Response:
    assert who.session is not None, "nobody is asked before they have signed in"
    with run.rotations.connect() as connection:
        user = users.known(connection, who.session.user_id)
    return pages.render(
        run,
        "consent.html",
        forms_lead_to=interaction.leads_to(asked),
        client=asked.client.name,
        username=user.username,
        scopes=asked.scope.split(),
        resources=asked.resources,
        redirect_uri=asked.redirect_uri,
        until=_until(run, asked, who.session),
        csrf=page_forms.token(who, PAGE, waiting.id),
        request_id=waiting.id,
    )


def _until(run: Runtime, asked: Asked, here: BrowserSession) -> Moment:
    """When the access ends at the latest."""
    client = asked.client
    own = run.lifetimes.with_own(client.idle_ttl, client.session_ttl)
    end = run.now() + (own.absolute if REFRESH_GRANT in client.grants else run.access_ttl)
    ends_here = run.settings.sessions_end_with_browser == "on"
    return moment(min(end, here.expires_at) if ends_here else end)


def sent() -> Response:
    run, request = runtime(), current_request()
    who = browser.visitor(run, request)
    form = page_forms.form(run, request, who, PAGE)
    if isinstance(form, Response):
        return form
    decision = form.values.get("decision")
    answer = Kind.DENIED if decision == "deny" else Kind.ALLOWED
    waiting = interaction.waiting(run, who, form.values.get("request", ""), answer)
    if waiting is None:
        return interaction.over(run)
    found = interaction.again(run, waiting)
    # Only an answer to the question counts: a person who was not asked has not allowed anything.
    asked = (
        isinstance(found, Asked) and interaction.next_step(run, found, who, waiting) is Step.CONSENT
    )
    if asked and decision == "deny":
        assert isinstance(found, Asked)
        return interaction.decline(run, found, who, waiting)
    allowed = asked and decision == "allow"
    return interaction.proceed(run, found, who, waiting.form, waiting, allowed=allowed)
