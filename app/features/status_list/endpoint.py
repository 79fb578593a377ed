"""GET /oauth/status/<list>: a Status List Token (draft-ietf-oauth-status-list §8)."""

from flask import Blueprint, Response, abort
from flask import request as http

from app.core.status_list import PATH, parse
from app.features.status_list import use_case
from app.services.runtime import runtime

CONTENT_TYPE = "application/statuslist+jwt"

blueprint = Blueprint("status_list", __name__)


@blueprint.get(f"{PATH}<name>")
def status(name: str) -> Response:
    if "time" in http.args:
        abort(501)  # lists of the past are not kept (§8.4)
    list_id = parse(name)
    published = None if list_id is None else use_case.publish(runtime(), list_id)
    if published is None:
        abort(404)
    zipped = http.accept_encodings["gzip"] > 0
    answer = Response(published.zipped if zipped else published.text, content_type=CONTENT_TYPE)
    if zipped:
        answer.content_encoding = "gzip"
    answer.vary.add("Accept-Encoding")
    answer.cache_control.public = True
    answer.cache_control.max_age = published.max_age
    answer.set_etag(published.tag, weak=True)
    answer.make_conditional(http)
    return answer
