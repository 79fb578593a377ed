"""/sign-out: this browser forgets the person; `PERENNIAL_SESSIONS_END_WITH_BROWSER` says what else."""

from flask import Response

from app.pages import page_forms
from app.protocol import browser, own_account, pages
from app.protocol.browser import Visitor
from app.protocol.grant import current_request
from app.services.runtime import runtime

PAGE = "sign-out"


def show() -> Response:
    run = runtime()
    who = browser.visitor(run, current_request())
    if who.session is None:
        return pages.render(run, "signed_out.html")
    page = pages.render(
        run,
        "sign_out.html",
        csrf=page_forms.token(who, PAGE, ""),
        sessions_end=run.settings.sessions_end_with_browser == "on",
    )
    return browser.remember(run, page, who)


def sent() -> Response:
    run, request = runtime(), current_request()
    who = browser.visitor(run, request)
    if who.session is None and not who.forms_is_new:
        return show()  # a second click
    form = page_forms.form(run, request, who, PAGE)
    if isinstance(form, Response):
        return form
    if who.session is not None:
        run.telemetry.publish(own_account.sign_out_here(run, who.session))
    nobody = Visitor(None, "", who.forms, who.forms_is_new)
    return browser.remember(run, pages.render(run, "signed_out.html"), nobody, session=True)
