"""/sign-in: name and password, for an application or for their own sake."""

from urllib.parse import urlencode

from flask import Response

from app.core.authorization import Asked, Step
from app.core.authorization_events import BrowserSignedIn
from app.pages import onward, page_forms, qr, typed_password
from app.pages.onward import Onward
from app.pages.typed_password import Problem
from app.protocol import authorization, browser, interaction, pages
from app.protocol.browser import Visitor
from app.protocol.credentials import Attempt
from app.protocol.forms import Form, MalformedError
from app.protocol.grant import address, current_request, device
from app.protocol.interaction import Waiting
from app.services.runtime import Runtime, runtime
from app.store import users

PAGE = "sign-in"
WRONG = "The user name or the password is wrong."
MISSING = "Enter your user name and your password."


def show() -> Response:
    run, request = runtime(), current_request()
    who = browser.visitor(run, request)
    try:
        form = page_forms.query(request)
    except MalformedError as error:
        return page_forms.malformed(run, request, error)
    request_id = form.values.get("request", "")
    if not request_id:
        return _for_own_sake(run, who, onward.read(form))
    waiting = interaction.waiting(run, who, request_id)
    if waiting is None:
        return interaction.over(run)
    found = interaction.again(run, waiting)
    if isinstance(found, Asked) and interaction.next_step(run, found, who, waiting) is Step.SIGN_IN:
        return _form(run, who, waiting, found, username=found.login_hint)
    return interaction.proceed(run, found, who, waiting.form, waiting)


def _for_own_sake(run: Runtime, who: Visitor, there: Onward) -> Response:
    if who.session is None:
        return _form(run, who, None, there=there)
    return authorization.redirect(onward.to(run, there)) if there else _signed_in(run, who)


def _signed_in(run: Runtime, who: Visitor) -> Response:
    assert who.session is not None
    with run.rotations.connect() as connection:
        user = users.known(connection, who.session.user_id)
    page = pages.render(
        run,
        "signed_in.html",
        username=user.username,
        csrf=page_forms.token(who, "sign-out", ""),
    )
    return browser.remember(run, page, who)


def _form(
    run: Runtime,
    who: Visitor,
    waiting: Waiting | None,
    asked: Asked | None = None,
    *,
    username: str = "",
    problem: str = "",
    status: int = 200,
    remember: bool = False,
    there: Onward | None = None,
) -> Response:
    request_id = "" if waiting is None else waiting.id
    page = pages.render(
        run,
        "sign_in.html",
        status=status,
        forms_lead_to=[] if asked is None else interaction.leads_to(asked),
        client=None if asked is None else asked.client.name,
        csrf=page_forms.token(who, PAGE, request_id),
        request_id=request_id,
        username=username,
        problem=problem,
        remember=remember,
        onward=there or {},
        qr=qr.onward(run, there or {}),
    )
    return browser.remember(run, page, who)


def sent() -> Response:
    run, request = runtime(), current_request()
    who = browser.visitor(run, request)
    form = page_forms.form(run, request, who, PAGE, lambda old: _go_on(run, old))
    if isinstance(form, Response):
        return form
    request_id = form.values.get("request", "")
    waiting = interaction.waiting(run, who, request_id) if request_id else None
    if request_id and waiting is None:
        return interaction.over(run)
    return _attempt(run, who, form, waiting)


def _go_on(run: Runtime, form: Form) -> Response:
    """Somebody has signed in meanwhile, by a click before this one perhaps."""
    request_id = form.values.get("request")
    query = {"request": request_id} if request_id else onward.read(form)
    address = f"{run.settings.require_issuer()}{pages.SIGN_IN}"
    return authorization.redirect(f"{address}?{urlencode(query)}" if query else address)


def _attempt(run: Runtime, who: Visitor, form: Form, waiting: Waiting | None) -> Response:
    found = None if waiting is None else interaction.again(run, waiting)
    if waiting is not None and found is not None and not isinstance(found, Asked):
        return interaction.proceed(run, found, who, waiting.form, waiting)
    asked = found if isinstance(found, Asked) else None
    username = users.normal(form.values.get("username", ""))
    password, remember = form.values.get("password", ""), "remember_me" in form.values
    there = onward.read(form)

    def refuse(problem: Problem) -> Response:
        page = _form(
            run,
            who,
            waiting,
            asked,
            username=username,
            problem=problem.text,
            status=problem.status,
            remember=remember,
            there=there,
        )
        return problem.told(page)

    if not username or not password:
        return refuse(Problem(MISSING))
    client_id = "" if asked is None else asked.client.client_id
    person = typed_password.prove(run, Attempt(client_id, username, password, address()), WRONG)
    if isinstance(person, Problem):
        return refuse(person)
    now_in = browser.sign_in(run, person, who, device(), remember=remember)
    assert now_in.session is not None
    run.telemetry.publish([BrowserSignedIn(now_in.session.public_id, client_id, person.user.id)])
    if waiting is None or asked is None:
        answer = authorization.redirect(onward.to(run, there))
    else:
        answer = interaction.proceed(run, asked, now_in, waiting.form, waiting)
    return browser.remember(run, answer, now_in, session=True)
