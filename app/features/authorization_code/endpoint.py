"""GET and POST /oauth/authorize (RFC 6749 §3.1).

Not Authlib's course of events: it looks at parameters before it knows whom to answer, answers some
errors without `iss` and puts what it was sent into their text.
"""

from urllib.parse import urlencode

from flask import Blueprint, Request, Response

from app.core.authorization import Asked
from app.features.authorization_code import use_case
from app.protocol import authorization, browser, forms, interaction
from app.protocol.authorization import PARAMETERS, PATH, PUSHED, Unaddressed
from app.protocol.forms import Form, MalformedError
from app.protocol.grant import current_request
from app.services.runtime import Runtime, runtime

LONGEST_QUERY = 3500
"""What is sure to fit into a request line, which has 4094 octets."""

ADDRESS = frozenset({"client_id", "redirect_uri"})
"""What says where to answer."""

MOVED = PARAMETERS | {"request_uri"}

blueprint = Blueprint("authorization_code", __name__)


@blueprint.route(PATH, methods=["GET", "POST"])
def authorize() -> Response:
    run, request = runtime(), current_request()
    try:
        form = _read(request)
    except MalformedError as error:
        return interaction.unaddressed(run, Unaddressed(error.why))
    moved = _by_get(run, request, form)
    if moved is not None:
        return moved
    by_reference = form.values.get("request_uri", "").startswith(PUSHED) and not form.repeated
    if by_reference:
        pushed = use_case.pushed(run, form)
        if pushed is None:
            return interaction.unaddressed(run, Unaddressed("request_uri_over"))
        form = pushed
    found = authorization.read(run, form, pushed=by_reference)
    return interaction.proceed(run, found, browser.visitor(run, request), form)


def _read(request: Request) -> Form:
    by_post = request.method == "POST"
    form = forms.read_all(request) if by_post else forms.parse_all(request.query_string)
    if form.repeated & ADDRESS:
        raise MalformedError("repeated_parameter")
    return form


def _by_get(run: Runtime, request: Request, form: Form) -> Response | None:
    """A form that another site had posted comes without our cookies, a link with them: so whoever
    posts and shows none is sent here again, if the request is one that a person will be asked about.
    """
    if request.method != "POST" or browser.shows_session(run, request) or form.repeated:
        return None
    # Nothing that does not belong into an address, such as a secret that was sent by mistake.
    kept = [(name, form.values[name]) for name in sorted(MOVED & set(form.values))]
    query = urlencode([*kept, *(("resource", each) for each in form.resources)])
    if len(query) > LONGEST_QUERY:
        return None
    by_reference = "request_uri" in form.values
    if by_reference or isinstance(authorization.read(run, form, pushed=False), Asked):
        return authorization.redirect(f"{run.settings.require_issuer()}{PATH}?{query}")
    return None
