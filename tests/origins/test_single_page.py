"""Applications that are only a page, on another origin than the server's: what CORS lets them do."""

import httpx
import pytest

from tests.flows.enrolment import enrol
from tests.guides import block

pytestmark = pytest.mark.needs("chromium")
GRANTS = ("authorization_code", "refresh_token")
TRY = "return refresh(arguments[0]).then(() => 'answered', (error) => String(error))"


@pytest.fixture
def viewer(server, web_site):
    """The page of docs/browser.md, at the origin it is registered with."""
    site = web_site("localhost")
    account = enrol(
        server,
        name="Photo viewer",
        grants=GRANTS,
        public=True,
        scope="photos:read",
        redirect_uris=(f"{site.url}/",),
        origins=(site.url,),
    )
    changes = {"https://id.example.com": server.url, "https://viewer.example.com": site.url}
    script = block("browser.md", "js", changes)
    page = f"<script>const clientId = '{account.client_id}';\n{script}</script>"
    site.publish({"/": page})
    return site, account, page


def signed_in(browser, site, account):
    browser.open(f"{site.url}/")
    browser.open(browser.run("return begin(sessionStorage)"))
    browser.sign_in(account)
    browser.allow()
    assert browser.url.startswith(f"{site.url}/?code="), browser.url
    return browser.run("return callback(sessionStorage, location.href)")


@pytest.mark.clause("rfc9207-2-01")
def test_a_page_of_a_registered_origin_signs_in_and_refreshes(viewer, chromium):
    site, account, _ = viewer
    browser = chromium("one")
    first = signed_in(browser, site, account)
    assert first["scope"] == "photos:read"
    second = browser.run("return refresh(arguments[0])", first["refresh_token"])
    again = browser.run("return refresh(arguments[0])", first["refresh_token"])
    assert second["refresh_token"] == again["refresh_token"] != first["refresh_token"]


def test_a_page_of_another_origin_is_told_nothing(viewer, server, chromium, web_site):
    site, account, page = viewer
    browser = chromium("one")
    tokens = signed_in(browser, site, account)
    evil = web_site("localhost")
    evil.publish({"/": page})
    browser.open(evil.url)
    assert browser.run(TRY, tokens["refresh_token"]) == "TypeError: Failed to fetch"
    metadata = "fetch(`${issuer}/.well-known/oauth-authorization-server`).then((it) => it.json())"
    assert browser.run(f"return {metadata}")["issuer"] == server.url, "which anybody may read"
    for origin, allowed in ((evil.url, None), (site.url, site.url)):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = httpx.options(f"{server.url}/oauth/token", headers=headers)
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
