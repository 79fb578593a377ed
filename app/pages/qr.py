"""QR codes."""

import segno

from app.pages.onward import Onward, to
from app.services.runtime import Runtime


def onward(run: Runtime, there: Onward) -> str:
    """For a phone that goes on in place of this browser: SVG without styles, which our Content
    Security Policy forbids. Empty when there is no code to take along.
    """
    if "user_code" not in there:
        return ""
    square = segno.make_qr(to(run, there), error="m")
    return square.svg_inline(omitsize=True, svgclass=None, lineclass=None, light="#fff")
