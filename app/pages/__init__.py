"""What people see: sign-in, consent, device, their sessions, sign-out. Plain HTML without a script."""

from functools import cache
from pathlib import Path

from flask import Blueprint, Response

from app.pages import account, consent, device, sign_in, sign_out
from app.protocol.pages import CONSENT, DEVICE, SESSIONS, SIGN_IN, SIGN_OUT, STYLE

FOLDER = Path(__file__).parent

blueprint = Blueprint("pages", __name__, template_folder="templates")
blueprint.add_url_rule(SIGN_IN, "sign_in", sign_in.show, methods=["GET"])
blueprint.add_url_rule(SIGN_IN, "sign_in_sent", sign_in.sent, methods=["POST"])
blueprint.add_url_rule(CONSENT, "consent", consent.show, methods=["GET"])
blueprint.add_url_rule(CONSENT, "consent_sent", consent.sent, methods=["POST"])
blueprint.add_url_rule(SIGN_OUT, "sign_out", sign_out.show, methods=["GET"])
blueprint.add_url_rule(SIGN_OUT, "sign_out_sent", sign_out.sent, methods=["POST"])
blueprint.add_url_rule(DEVICE, "device", device.show, methods=["GET"])
blueprint.add_url_rule(DEVICE, "device_sent", device.sent, methods=["POST"])
blueprint.add_url_rule(SESSIONS, "sessions", account.show, methods=["GET"])
blueprint.add_url_rule(SESSIONS, "sessions_sent", account.sent, methods=["POST"])


@blueprint.get(STYLE)
def style() -> Response:
    return Response(
        _style(),
        content_type="text/css; charset=utf-8",
        headers={"Cache-Control": "public, max-age=300"},
    )


@cache
def _style() -> bytes:
    return (FOLDER / "static" / "perennial.css").read_bytes()
