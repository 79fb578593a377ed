"""/sign-out: this browser forgets the person. Applications keep their own sessions."""

from flask import Response

from app.core.authorization_events import BrowserSignedOut
from app.pages import page_forms
from app.protocol import browser, pages
from app.protocol.grant import current_request
from app.services.runtime import runtime

PAGE = "sign-out"


def show() -> Response:
    run = runtime()
    who = browser.visitor(run, current_request())
    if who.session is None:
        return pages.render(run, "signed_out.html")
    page = pages.render(run, "sign_out.html", csrf=page_forms.token(who, PAGE, ""))
    return browser.remember(run, page, who)


def sent() -> Response:
    run, request = runtime(), current_request()
    who = browser.visitor(run, request)
    form = page_forms.form(run, request, who, PAGE)
    if isinstance(form, Response):
        return form
    gone = browser.sign_out(run, who)
    if who.session is not None:
        run.telemetry.publish([BrowserSignedOut(who.session.public_id, who.session.user_id)])
    page = pages.render(run, "signed_out.html")
    return browser.remember(run, page, gone, session=True)
