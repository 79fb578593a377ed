"""Every page in every state, as one person comes by them."""

import secrets
from collections.abc import Iterator

from app.core.authorization import FRESH_FOR
from tests.browser.applications import App, Television, let_pass, sign_in
from tests.browser.chromium import Chromium
from tests.site import PASSWORD

WRONG = "BBBB-BBBB"


def walk(browser: Chromium, elsewhere: Chromium, app: App, television: Television) -> Iterator[str]:
    """The name of each state, while `browser` shows it. `elsewhere` is the person's other browser."""
    yield from _signing_in(browser, app)
    yield from _device(browser, television)
    yield from _account(browser, elsewhere, app)
    yield from _others(browser, app.server.url)


def _signing_in(browser: Chromium, app: App) -> Iterator[str]:
    browser.open(f"{app.server.url}/sign-in")
    yield "sign-in"
    browser.open(app.ask(secrets.token_urlsafe(32)))
    yield "sign-in for an application"
    browser.type("#username", "alice")
    browser.type("#password", "wrong")
    browser.click("button[type=submit]")
    yield "sign-in refused"
    browser.press("#remember_me")
    browser.type("#password", PASSWORD)
    browser.click("button[type=submit]")
    yield "consent"
    browser.open(f"{app.server.url}/sign-in")
    yield "signed in"
    browser.open(f"{app.server.url}/account/sessions")
    yield "sessions, no others"


def _device(browser: Chromium, television: Television) -> Iterator[str]:
    url = f"{television.server.url}/device"
    browser.open(url)
    yield "device"
    browser.type("#user_code", WRONG)
    browser.click("button[type=submit]")
    yield "device, wrong code"
    for decision in ("deny", "allow"):
        browser.open(television.ask())
        yield "device by a link"
        browser.press("summary")
        yield "device by a link, QR code"
        browser.click("button[type=submit]")
        yield "device, question"
        browser.click(f"button[value={decision}]")
        yield f"device, {decision}"
    assert television.poll().status_code == 200


def _account(browser: Chromium, elsewhere: Chromium, app: App) -> Iterator[str]:
    url = f"{app.server.url}/account/sessions"
    for each in (browser, elsewhere):
        app.tokens(each)
    browser.open(url)
    yield "sessions"
    let_pass(app.server, FRESH_FOR // 1000 + 1)
    browser.click("button[value=end]")
    yield "confirmation"
    browser.type("#password", "wrong")
    browser.click("button[type=submit]")
    yield "confirmation refused"
    browser.type("#password", PASSWORD)
    browser.click("button[type=submit]")
    yield "sessions, one ended"
    browser.open(f"{app.server.url}/sign-out")
    yield "sign-out"
    browser.click("button[type=submit]")
    yield "signed out"


def _others(browser: Chromium, url: str) -> Iterator[str]:
    browser.open(f"{url}/sign-in?for=device&user_code={WRONG}")
    browser.press("summary")
    yield "sign-in for a device, QR code"
    sign_in(browser)
    browser.open(f"{url}/device?user_code=%zz")
    yield "error"
    browser.open(url)
    yield "front page"
    browser.open(f"{url}/errors")
    yield "errors explained"
