"""oidc-client-ts in Chromium, with the page of docs/howto/single-page-app.md."""

import json

import pytest

from tests.flows.caller import Account
from tests.flows.enrolment import enrol
from tests.guides import block, words
from tests.live import LiveServer
from tests.needs import NODE_MODULES
from tests.origins.device import IPHONE, Device
from tests.servers import wait_until

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.needs("node")]
GUIDE = "howto/single-page-app.md"
LIBRARY = NODE_MODULES / "oidc-client-ts" / "dist" / "browser" / "oidc-client-ts.min.js"
# The library renews a minute before the end: two seconds after each answer.
TTL, RENEWALS = 62, 3
LISTEN = """
const ask = window.fetch;
window.heard = [];
window.fetch = async (...how) => {
  const answer = await ask(...how);
  window.heard.push(await answer.clone().json());
  return answer;
};
"""
SIGNED_IN = "photos:read, good until"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    env = {"PERENNIAL_ACCESS_TOKEN_TTL": str(TTL)}
    with LiveServer(tmp_path_factory.mktemp("server"), env=env) as live:
        yield live


@pytest.fixture
def site(web_site):
    return web_site("localhost")


@pytest.fixture
def account(server, site) -> Account:
    """A person, and the client that the guide's command makes."""
    person = enrol(server)
    command = block(GUIDE, "sh", {"https://viewer.example.com": site.url})
    made = server.cli(*words(command)[1:], "--json")
    assert made.returncode == 0, made.stderr
    client_id = json.loads(made.stdout)["client_id"]
    return Account(server.url, client_id, None, person.username, person.password)


@pytest.fixture
def sign_in(server, site, account, chromium):
    """Starts a browser and signs in at the page of the guide."""
    changes = {
        "https://id.example.com": server.url,
        "https://viewer.example.com": site.url,
        "CLIENT_ID": account.client_id,
    }
    page = block(GUIDE, "html", changes)
    site.publish({"/": page, "/oidc-client-ts.min.js": LIBRARY.read_text()})

    def start(name: str, **how: str) -> Device:
        browser = chromium(name, **how)
        browser.open(site.url)
        browser.click("#sign-in")
        browser.sign_in(account)
        browser.allow()
        says(browser, SIGNED_IN)
        return browser

    return start


@pytest.fixture
def browser(sign_in):
    return sign_in("one")


def says(browser: Device, text: str) -> str:
    """All that the page says, once it says this."""
    state = "document.querySelector('#state').textContent"
    return browser.until(f"{state}.includes({json.dumps(text)}) && {state}")


def session(server: LiveServer, account: Account) -> dict:
    shown = server.cli("session", "list", "--user", account.username, "--json")
    (found,) = json.loads(shown.stdout)
    return found


def test_the_page_renews_its_tokens_by_itself_until_the_session_is_ended(server, account, browser):
    shown = {says(browser, SIGNED_IN)}
    wait_until(
        lambda: shown.add(says(browser, SIGNED_IN)) or len(shown) > RENEWALS, "so many renewals"
    )
    assert session(server, account)["generation"] > RENEWALS
    ended = server.cli("session", "revoke-all", "--user", account.username)
    assert ended.returncode == 0, ended.stderr
    says(browser, "Your session has ended.")


def test_the_page_outlives_a_server_that_was_away(server, account, browser):
    server.kill()
    says(browser, "No answer.")
    server.start()
    says(browser, SIGNED_IN)
    assert session(server, account)["state"] == "live"


def test_the_page_signs_out(server, account, browser):
    browser.run("document.querySelector('#sign-out').click()")
    says(browser, "Not signed in.")
    assert session(server, account)["state"] == "session_ended"


def test_the_page_of_a_device_that_was_ended_from_another_says_so(server, sign_in):
    here, there = sign_in("here"), sign_in("there", agent=IPHONE)
    there.run(LISTEN)
    here.open(f"{server.url}/account/sessions")
    here.click("button[aria-label^='End session Photo viewer, Safari on iPhone']")
    says(there, "Your session has ended.")
    assert there.run("return heard.at(-1)")["reason"] == "session_ended"
