"""Devices of one person: which of them remember, and one that is ended from another."""

import json
from urllib.parse import urlsplit

import pytest

from tests.flows.enrolment import enrol
from tests.guides import block
from tests.origins.device import IPHONE

pytestmark = pytest.mark.needs("chromium")
LOGIN = """
const [username, password, remember_me] = arguments;
return call("login", { username, password, remember_me, client_id: clientId });
"""
REFRESH = "return refresh().then((found) => found.session.state, (error) => error.reason)"


@pytest.fixture
def shop(server, web_site):
    """A page of the server's owner with the script of docs/first-party.md, and a person."""
    site = web_site()
    account = enrol(server, name="Shop", public=True, first_party=True, origins=(site.url,))
    client_id = json.dumps(account.client_id)
    script = block("first-party.md", "js", {"http://127.0.0.1:9500": server.url, '"…"': client_id})
    site.publish({"/": f"<script>const clientId = {client_id};\n{script}</script>"})
    return site, account


@pytest.mark.parametrize("scripts", [True, False])
def test_a_browser_that_was_closed_is_signed_in_when_it_is_to_remember(
    server, shop, chromium, scripts
):
    _, account = shop
    account_page = f"{server.url}/account/sessions"
    device = chromium("one", scripts=scripts)
    for remember, path in ((False, "/sign-in"), (True, "/account/sessions")):
        device.open(account_page)
        device.sign_in(account, remember=remember)
        assert device.url == account_page
        device.restart()
        device.open(account_page)
        assert urlsplit(device.url).path == path


def test_a_page_in_cookie_mode_is_signed_in_after_a_restart_when_it_is_to_remember(shop, chromium):
    site, account = shop
    device = chromium("one")
    for remember, state in ((False, "bad_credentials"), (True, "live")):
        device.open(site.url)
        device.run(LOGIN, account.username, account.password, remember)
        assert device.run(REFRESH) == "live"
        device.restart()
        device.open(site.url)
        assert device.run(REFRESH) == state


@pytest.mark.parametrize("scripts", [True, False])
def test_a_page_in_cookie_mode_is_ended_from_another_device(server, shop, chromium, scripts):
    site, account = shop
    here, there = chromium("here", scripts=scripts), chromium("there", agent=IPHONE)
    there.open(site.url)
    there.run(LOGIN, account.username, account.password, False)
    here.open(f"{server.url}/account/sessions")
    here.sign_in(account)
    theirs = "button[aria-label^='End session Shop, Safari on iPhone']"
    assert here.count(theirs) == 1
    here.click(theirs)
    assert "The session has ended." in here.text
    assert here.count(theirs) == 0
    assert there.run(REFRESH) == "session_ended"
    there.open(f"{site.url}/")
    assert there.run(REFRESH) == "session_ended", "the cookie is still there, and says why"
