"""The pages in Chromium with scripts switched off: codes, tokens, and sessions that people end."""

from urllib.parse import urlsplit

import pytest

from app.core.authorization import FRESH_FOR
from tests.browser.applications import let_pass
from tests.browser.chromium import DESKTOP, PHONE
from tests.servers import wait_until
from tests.site import PASSWORD

pytestmark = pytest.mark.needs("chromium")
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)


def test_a_second_device_is_seen_and_ended(app, chromium):
    here, there = chromium("here"), chromium("there", agent=IPHONE)
    mine, other = app.tokens(here), app.tokens(there)
    here.open(f"{app.server.url}/account/sessions")
    assert "This browser" in here.text
    theirs = "button[aria-label^='End session Photo uploader, Safari on iPhone']"
    assert here.count(theirs) == 1
    here.click(theirs)
    assert "The session has ended." in here.text
    assert here.count(theirs) == 0
    refused = app.refresh(other)
    assert (refused.status_code, refused.json()["reason"]) == (400, "session_ended")
    assert app.refresh(mine).status_code == 200
    there.open(f"{app.server.url}/account/sessions")
    assert "Your sessions" in there.text
    here.click("button[value=end-others]")
    there.open(f"{app.server.url}/account/sessions")
    assert urlsplit(there.url).path == "/sign-in"
    here.click("button[value=end-everything]")
    assert "This browser is not signed in." in here.text
    assert app.refresh(mine).json()["reason"] == "session_ended"


def test_after_a_while_the_password_is_asked_for_and_the_ending_is_not_forgotten(app, chromium):
    browser = chromium("one")
    tokens = app.tokens(browser)
    let_pass(app.server, FRESH_FOR // 1000 + 1)
    browser.open(f"{app.server.url}/account/sessions")
    browser.click("button[value=end]")
    assert browser.focused() == "Password"
    assert app.refresh(tokens).status_code == 200
    browser.type("#password", PASSWORD)
    browser.click("button[type=submit]")
    assert "The session has ended." in browser.text
    browser.click("button[value=withdraw]")
    assert "The consent is withdrawn" in browser.text


def test_whoever_clicks_twice_arrives_all_the_same(app, chromium):
    browser = chromium("one")
    browser.open(app.ask("v" * 43))
    browser.type("#username", "alice")
    browser.type("#password", PASSWORD)
    for button, arrived in (("[type=submit]", "/consent"), ("[value=allow]", "/cb")):
        browser.press_twice(f"button{button}", latency=300)
        wait_until(lambda path=arrived: urlsplit(browser.url).path == path, arrived)
    assert "You may close this window." in browser.text


def test_scripts_are_really_off(chromium):
    page = "data:text/html,<p>before<script>document.body.textContent='ran'</script>"
    for scripts, said in ((False, "before"), (True, "ran")):
        browser = chromium(f"scripts-{scripts}", scripts=scripts)
        browser.open(page)
        assert browser.text == said


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("phone", [False, True])
def test_a_page_is_no_wider_than_its_window(app, chromium, phone, dark):
    browser = chromium("one", phone=phone, dark=dark, agent=IPHONE + " " + "x" * 100)
    widest = PHONE["width"] if phone else DESKTOP[0]
    browser.open(f"{app.server.url}/sign-in")
    assert max(browser.right_edges("main, main *")) <= widest
    app.tokens(browser)
    for path in ("/account/sessions", "/sign-out"):
        browser.open(f"{app.server.url}{path}")
        assert browser.count("main button")
        assert max(browser.right_edges("main, main *")) <= widest, path
    assert browser.picture().startswith(b"\x89PNG")


def test_the_keyboard_reaches_every_button_in_the_order_of_the_page(app, chromium):
    browser = chromium("one")
    app.tokens(browser)
    browser.open(f"{app.server.url}/account/sessions")
    wanted = browser.labels("main a, main button")
    reached = []
    for _ in wanted:
        browser.press_tab()
        reached.append(browser.focused())
    assert reached == wanted
