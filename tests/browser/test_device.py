"""Signing in a device from a browser with scripts switched off, and from a phone that reads a QR code."""

import re
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.applications import sign_in
from tests.needs import BROWSER_MODULES

GUIDE = Path(__file__).parents[2] / "docs" / "device.md"
# A canvas of an empty page, which has no policy of ours.
READ = """
const image = new Image();
image.src = source;
await image.decode();
const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
canvas.drawImage(image, 0, 0);
const {data} = canvas.getImageData(0, 0, image.width, image.height);
return self.jsQR(data, image.width, image.height)?.data;
"""


def read(camera, picture: bytes, kind: str = "png") -> str | None:
    """What a browser that may run scripts makes of a picture with a QR code."""
    camera.open("about:blank")
    program = (BROWSER_MODULES / "jsqr" / "dist" / "jsQR.js").read_text()
    source = f"data:image/{kind};base64,{b64encode(picture).decode()}"
    return camera.run(f"{program}\nreturn (async source => {{{READ}}})(arguments[0])", source)


def photograph(screen: str) -> bytes:
    """A dark terminal that shows this, as SVG; a character is two pixels high."""
    rows = screen.splitlines()
    lit = [
        f"M{x} {2 * y + half}h1v1h-1z"
        for y, row in enumerate(rows)
        for x, character in enumerate(row)
        for half, blocks in enumerate(("█▀", "█▄"))
        if character in blocks
    ]
    size = f'viewBox="0 0 {len(rows[0])} {2 * len(rows)}" width="400"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} shape-rendering="crispEdges">'
        f'<path d="M0 0h99v99h-99z"/><path fill="#fff" d="{"".join(lit)}"/></svg>'
    ).encode()


@pytest.mark.needs("chromium")
@pytest.mark.clause("rfc8628-3.3-01", "rfc8628-3.3.1-01", "rfc8628-3.5-01")
@pytest.mark.parametrize("allowed", [True, False])
def test_a_device_is_signed_in_from_a_browser(television, chromium, allowed):
    browser = chromium("one")
    browser.open(television.ask())
    assert television.poll().json()["error"] == "authorization_pending"
    sign_in(browser)
    assert urlsplit(browser.url).path == "/device"
    browser.click("button[type=submit]")
    assert f"A device that shows {television.codes['user_code']} asks" in browser.text
    browser.click(f"button[value={'allow' if allowed else 'deny'}]")
    assert ("Television is signed in" if allowed else "Nothing was allowed") in browser.text
    answer = television.poll().json()
    if allowed:
        assert answer["scope"] == "films:read"
        assert answer["refresh_token"]
    else:
        assert answer["error"] == "access_denied"


@pytest.mark.needs("browser packages")
@pytest.mark.clause("rfc8628-3.2-04", "rfc8628-3.3.1-01")
@pytest.mark.parametrize(("signed_in", "dark"), [(False, True), (True, False)])
def test_a_person_goes_on_with_their_phone(television, chromium, signed_in, dark):
    desktop, phone = chromium("desktop", dark=dark), chromium("phone", phone=True)
    address = television.ask()
    desktop.open(address)
    if signed_in:
        sign_in(desktop)
    desktop.press("summary")
    scanned = read(chromium("camera", scripts=True), desktop.picture())
    assert scanned == address
    phone.open(scanned)
    sign_in(phone)
    phone.click("button[type=submit]")
    phone.click("button[value=allow]")
    assert television.poll().status_code == 200


@pytest.mark.needs("chromium")
def test_a_phone_is_not_told_to_go_on_with_a_phone(television, chromium):
    phone = chromium("phone", phone=True)
    phone.open(television.ask())
    assert "Sign in" in phone.text
    assert "with a phone" not in phone.text


@pytest.mark.needs("browser packages")
def test_a_terminal_shows_what_a_phone_can_read(television, chromium, capsys):
    names: dict[str, object] = {}
    exec(re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)[0], names)
    address = television.ask()
    names["show"](television.codes)
    *screen, said = capsys.readouterr().out.splitlines()
    assert television.codes["user_code"] in said
    picture = photograph("\n".join(screen))
    assert read(chromium("camera", scripts=True), picture, "svg+xml") == address
