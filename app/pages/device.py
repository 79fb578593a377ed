"""/device: the code that a device shows, then who asks for what; yes or no (RFC 8628 §3.3).

The question's form has a token for its own code, so nothing is decided that this browser was not asked.
"""

from urllib.parse import urlencode

from flask import Response

from app.core import device as rules
from app.pages import onward, page_forms, qr
from app.pages.onward import Onward
from app.protocol import authorization, browser, pages, user_codes
from app.protocol.browser import Visitor
from app.protocol.forms import Form, MalformedError
from app.protocol.grant import address, current_request
from app.protocol.user_codes import Asking, Unknown
from app.services.runtime import Runtime, runtime
from app.store import users
from app.store.browser_sessions import BrowserSession

PAGE = "device"
NO_CODE = "A code has eight letters, and none of A, E, I, O, U and Y."
UNKNOWN = "At the moment no device shows this code. Look again: codes change after ten minutes."
TOO_OFTEN = "Too many wrong codes. Wait {seconds} seconds, then try again."


def show() -> Response:
    run, request = runtime(), current_request()
    who = browser.visitor(run, request)
    try:
        form = page_forms.query(request)
    except MalformedError as error:
        return page_forms.malformed(run, request, error)
    if who.session is None:
        return _sign_in_first(run, who, form)
    there = _onward(form)
    return _entry(run, who, typed=there.get("user_code", ""), drawn=qr.onward(run, there))


def _sign_in_first(run: Runtime, who: Visitor, form: Form) -> Response:
    query = urlencode(_onward(form))
    location = f"{run.settings.require_issuer()}{pages.SIGN_IN}?{query}"
    return browser.remember(run, authorization.redirect(location), who)


def _onward(form: Form) -> Onward:
    """Here again, with the code if there is one."""
    return onward.read(Form({"for": "device", "user_code": form.values.get("user_code", "")}))


def _entry(
    run: Runtime,
    who: Visitor,
    *,
    typed: str = "",
    drawn: str = "",
    problem: str = "",
    status: int = 200,
) -> Response:
    page = pages.render(
        run,
        "device.html",
        status=status,
        csrf=page_forms.token(who, PAGE, ""),
        typed=typed,
        qr=drawn,
        problem=problem,
    )
    return browser.remember(run, page, who)


def sent() -> Response:
    run, request = runtime(), current_request()
    who = browser.visitor(run, request)
    form = page_forms.form(run, request, who, PAGE)
    if isinstance(form, Response):
        return form
    if who.session is None:
        return _sign_in_first(run, who, form)
    asked_about = form.values.get("request", "")
    code = rules.user_code(asked_about or form.values.get("user_code", ""))
    if code is None:
        return _entry(run, who, problem=NO_CODE, status=400)
    decision = form.values.get("decision")
    if asked_about and decision in {"allow", "deny"}:
        return _answered(run, who, who.session, code, allowed=decision == "allow")
    found = user_codes.find(run, who.session, address(), code)
    if isinstance(found, Unknown):
        return _unknown(run, who, found)
    return _question(run, who, who.session, found, code)


def _unknown(run: Runtime, who: Visitor, found: Unknown) -> Response:
    if not found.retry_after:
        return _entry(run, who, problem=UNKNOWN, status=400)
    problem = TOO_OFTEN.format(seconds=found.retry_after)
    answer = _entry(run, who, problem=problem, status=429)
    answer.headers["Retry-After"] = str(found.retry_after)
    return answer


def _question(
    run: Runtime, who: Visitor, session: BrowserSession, asking: Asking, code: str
) -> Response:
    with run.rotations.connect() as connection:
        user = users.known(connection, session.user_id)
    return pages.render(
        run,
        "device_question.html",
        csrf=page_forms.token(who, PAGE, code),
        request_id=code,
        code=asking.code,
        client=asking.client.name,
        username=user.username,
        scopes=asking.request.scope.split(),
        resources=asking.request.resource.split(),
        address=asking.request.ip,
        program=asking.request.user_agent,
    )


def _answered(
    run: Runtime, who: Visitor, session: BrowserSession, code: str, *, allowed: bool
) -> Response:
    """Whoever clicks twice has decided once, and is told so."""
    client = user_codes.decided(run, session, code, allowed=allowed)
    if client is None:
        found = user_codes.find(run, session, address(), code)
        if isinstance(found, Unknown):
            return _unknown(run, who, found)
        mine = user_codes.decide(run, session, found, allowed=allowed)
        client = found.client if mine else user_codes.decided(run, session, code, allowed=allowed)
    if client is None:
        return _entry(run, who, problem=UNKNOWN, status=400)
    return pages.render(run, "device_done.html", client=client.name, allowed=allowed)
