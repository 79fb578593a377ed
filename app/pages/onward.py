"""Where people go on after signing in for their own sake: to a page of ours by its name. There is no
address that somebody could change.
"""

from app.core import device
from app.protocol import pages
from app.protocol.forms import Form
from app.services.runtime import Runtime

Onward = dict[str, str]
"""The parameters of the sign-in page that say so; empty for those who stay."""


SESSIONS: Onward = {"for": "sessions"}


def read(form: Form) -> Onward:
    if form.values.get("for") == "sessions":
        return SESSIONS
    if form.values.get("for") != "device":
        return {}
    code = device.user_code(form.values.get("user_code", ""))
    return {"for": "device"} if code is None else {"for": "device", "user_code": device.shown(code)}


def to(run: Runtime, onward: Onward) -> str:
    issuer = run.settings.require_issuer()
    if not onward:
        return f"{issuer}{pages.SIGN_IN}"
    if onward == SESSIONS:
        return f"{issuer}{pages.SESSIONS}"
    code = onward.get("user_code")
    return f"{issuer}{pages.DEVICE}" + ("" if code is None else f"?user_code={code}")
