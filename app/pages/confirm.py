"""The password again, before what nobody shall do at a browser that somebody else left open."""

from flask import Response

from app.core.authorization import is_fresh
from app.core.authorization_events import BrowserConfirmed
from app.pages import page_forms, typed_password
from app.pages.typed_password import Problem
from app.protocol import browser, pages
from app.protocol.browser import Visitor
from app.protocol.credentials import Attempt
from app.protocol.forms import Form
from app.protocol.grant import address
from app.services.runtime import Runtime
from app.store import users

WRONG = "The password is wrong."
ASKED = ("do", "id")
NOTHING = Problem("", 200)


def fresh(run: Runtime, who: Visitor, form: Form, page: str) -> Visitor | Response:
    """Who has proved lately who they are, by this very form if need be; else the question, from which
    the same form comes back. The visitor may have another cookie then, or be signed out.
    """
    assert who.session is not None, "who is not signed in is asked for more"
    if is_fresh(who.session.auth_time, run.now()):
        return who
    with run.rotations.connect() as connection:
        user = users.known(connection, who.session.user_id)
    password = form.values.get("password", "")
    if not password:
        return _question(run, who, form, page, user.username, NOTHING)
    person = typed_password.prove(run, Attempt("", user.username, password, address()), WRONG)
    if isinstance(person, Problem):
        return _question(run, who, form, page, user.username, person)
    confirmed = browser.confirm(run, person, who)
    if confirmed.session is not None:
        run.telemetry.publish([BrowserConfirmed(confirmed.session.public_id, user.id)])
    return confirmed


def _question(
    run: Runtime, who: Visitor, form: Form, page: str, username: str, problem: Problem
) -> Response:
    question = pages.render(
        run,
        "confirm.html",
        status=problem.status,
        username=username,
        problem=problem.text,
        asked={name: form.values.get(name, "") for name in ASKED},
        csrf=page_forms.token(who, page, ""),
    )
    return problem.told(browser.remember(run, question, who))
