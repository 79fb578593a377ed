"""The pages in Chromium with scripts switched off: codes, tokens, and sessions that people end."""

import json
import secrets
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests

from tests.browser.chromium import DESKTOP, PHONE, Chromium
from tests.live import LiveServer
from tests.person import challenge
from tests.site import PASSWORD

pytestmark = pytest.mark.needs("chromium")
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)


class Callback(BaseHTTPRequestHandler):
    """Where a native application waits for its code."""

    def do_GET(self):
        if self.path.startswith("/cb"):  # a browser asks for an icon, too
            self.server.came.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>Done</title><p>You may close this window.")

    def log_message(self, *_):
        pass


class App:
    """A native application that signs people in by the browser."""

    def __init__(self, server: LiveServer, listener: HTTPServer) -> None:
        made = server.cli(
            *("client", "create", "--json", "--public", "--name", "Photo uploader"),
            *("--grant", "authorization_code", "--grant", "refresh_token"),
            *("--redirect-uri", "http://127.0.0.1/cb", "--scope", "photos:read photos:write"),
        )
        assert made.returncode == 0, made.stderr
        self.server, self.listener = server, listener
        self.client_id = json.loads(made.stdout)["client_id"]
        self.home = f"http://127.0.0.1:{listener.server_port}/cb"
        self.http = requests.Session()
        self.http.trust_env = False

    def ask(self, verifier: str) -> str:
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.home,
            "state": "s",
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
        }
        return f"{self.server.url}/oauth/authorize?{urlencode(query)}"

    def post(self, **form: str) -> requests.Response:
        form |= {"client_id": self.client_id}
        return self.http.post(f"{self.server.url}/oauth/token", data=form, timeout=30)

    def tokens(self, browser: Chromium) -> dict[str, str]:
        """Through sign-in, when there is one, and consent to tokens."""
        verifier = secrets.token_urlsafe(32)
        browser.open(self.ask(verifier))
        if urlsplit(browser.url).path == "/sign-in":
            sign_in(browser)
        assert urlsplit(browser.url).path == "/consent", browser.text
        assert "Photo uploader asks to act for you" in browser.text
        browser.click("button[value=allow]")
        assert "You may close this window." in browser.text, browser.text
        answer = dict(parse_qsl(urlsplit(self.listener.came[-1]).query))
        assert answer["iss"] == self.server.url
        redeemed = self.post(
            grant_type="authorization_code",
            code=answer["code"],
            redirect_uri=self.home,
            code_verifier=verifier,
        )
        assert redeemed.status_code == 200, redeemed.text
        return redeemed.json()

    def refresh(self, tokens: dict[str, str]) -> requests.Response:
        return self.post(grant_type="refresh_token", refresh_token=tokens["refresh_token"])


def sign_in(browser: Chromium) -> None:
    browser.type("#username", "alice")
    browser.type("#password", PASSWORD)
    browser.click("button[type=submit]")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with LiveServer(tmp_path_factory.mktemp("server")) as live:
        made = live.cli("user", "create", "alice", "--password-stdin", input=PASSWORD)
        assert made.returncode == 0, made.stderr
        yield live


@pytest.fixture
def app(server):
    with HTTPServer(("127.0.0.1", 0), Callback) as listener:
        listener.came = []
        thread = Thread(target=listener.serve_forever)
        thread.start()
        made = App(server, listener)
        yield made
        made.http.close()
        listener.shutdown()
        thread.join()


@pytest.fixture
def chromium(tmp_path):
    """Starts browsers; they end with the test."""
    with ExitStack() as stack:
        yield lambda name, **how: stack.enter_context(Chromium(tmp_path / name, **how))


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
