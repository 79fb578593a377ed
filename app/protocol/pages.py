"""What every page for people has in common: the headers that keep others out, and the error page."""

from collections.abc import Iterable

from flask import Response, render_template

from app.core.outcomes import ErrorCode
from app.protocol.authorization import PATH as AUTHORIZE
from app.protocol.browser import secure
from app.services.runtime import Runtime
from app.services.telemetry import request_id

SIGN_IN, CONSENT, SIGN_OUT = "/sign-in", "/consent", "/sign-out"
DEVICE, SESSIONS = "/device", "/account/sessions"
STYLE = "/static/perennial.css"
PATHS = frozenset({AUTHORIZE, SIGN_IN, CONSENT, SIGN_OUT, DEVICE, SESSIONS})
YEAR = 365 * 86_400

SAID = {
    ErrorCode.TEMPORARILY_UNAVAILABLE: "The server is busy. Wait a moment, then reload the page.",
    ErrorCode.SERVER_ERROR: "Something went wrong on the server. Try again later.",
    ErrorCode.INVALID_REQUEST: "The server cannot make sense of this request.",
}


def render(
    run: Runtime,
    template: str,
    *,
    status: int = 200,
    forms_lead_to: Iterable[str] = (),
    **values: object,
) -> Response:
    """`forms_lead_to` are sources of a Content Security Policy beside our own: Chromium applies
    `form-action` to the redirect that answers a form as well.
    """
    issuer = run.settings.require_issuer()
    body = render_template(template, issuer=issuer, style=f"{issuer}{STYLE}", **values)
    return Response(
        body,
        status=status,
        content_type="text/html; charset=utf-8",
        headers=_headers(run, sorted(set(forms_lead_to))),
    )


def _headers(run: Runtime, targets: list[str]) -> dict[str, str]:
    form_action = " ".join(["'self'", *targets])
    headers = {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; base-uri 'none'; "
            f"form-action {form_action}; frame-ancestors 'none'"
        ),
        "X-Frame-Options": "DENY",
        # Not no-referrer: with that a browser posts our own forms with `Origin: null`.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Pragma": "no-cache",
    }
    if secure(run):
        headers["Strict-Transport-Security"] = f"max-age={YEAR}"
    return headers


def error(run: Runtime, status: int, title: str, text: str) -> Response:
    return render(
        run, "error.html", status=status, title=title, text=text, request_id=request_id.get()
    )


def failure(run: Runtime, code: ErrorCode, status: int) -> Response:
    """The error page for what fails around a page."""
    text = SAID.get(code, SAID[ErrorCode.INVALID_REQUEST])
    return error(run, status, "That did not work", text)
