"""What the pages have in common when they are asked for, and when their forms come back."""

from collections.abc import Callable

from flask import Request, Response

from app.core.authorization_events import PageRefused
from app.protocol import browser, forms, pages
from app.protocol.browser import Visitor
from app.protocol.forms import Form, MalformedError
from app.services.runtime import Runtime


def query(request: Request) -> Form:
    """The query string, as strictly as a form. Raises `MalformedError`."""
    return forms.parse(request.query_string)


def form(
    run: Runtime,
    request: Request,
    who: Visitor,
    page: str,
    instead: Callable[[Form], Response] | None = None,
) -> Form | Response:
    """The form, if it is one of ours that this browser was given; else why not, on a page. `instead`
    answers one that was given before somebody signed in.
    """
    try:
        sent = forms.read(request)
    except MalformedError as error:
        return malformed(run, request, error)
    purpose = f"{page} {sent.values.get('request', '')}"
    why = browser.suspicion(run, request, sent, who, purpose)
    if why is None:
        return sent
    if why == "csrf" and instead is not None and browser.is_from_before(sent, who, purpose):
        return instead(sent)
    run.telemetry.publish([PageRefused(request.path, why)])
    return pages.error(
        run,
        403,
        "This form cannot be accepted",
        "It is not from this server, or it is from before you signed in or out. "
        "Go back, reload the page and try again. Cookies have to be allowed.",
    )


def malformed(run: Runtime, request: Request, error: MalformedError) -> Response:
    run.telemetry.publish([PageRefused(request.path, error.why)])
    return pages.error(
        run, 400, "This link does not work", "The server cannot make sense of this request."
    )


def token(who: Visitor, page: str, request_id: str) -> str:
    """What `form` wants to see again."""
    return who.token(f"{page} {request_id}")
