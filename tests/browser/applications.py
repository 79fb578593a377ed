"""Applications that sign people in by a browser."""

import json
import secrets
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from app.core.device import GRANT
from tests.browser.chromium import Chromium
from tests.live import LiveServer
from tests.person import challenge
from tests.site import PASSWORD


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


def let_pass(server: LiveServer, seconds: int) -> None:
    """By the server's clock."""
    moved = requests.post(f"{server.url}/dev/clock", json={"advance": seconds}, timeout=30)
    assert moved.status_code == 200, moved.text


def sign_in(browser: Chromium) -> None:
    browser.type("#username", "alice")
    browser.type("#password", PASSWORD)
    browser.click("button[type=submit]")


class Television:
    """An application on a device without a keyboard."""

    def __init__(self, server: LiveServer) -> None:
        made = server.cli(
            *("client", "create", "--json", "--public", "--name", "Television"),
            *("--grant", "device_code", "--grant", "refresh_token", "--scope", "films:read"),
        )
        assert made.returncode == 0, made.stderr
        self.server = server
        self.client_id = json.loads(made.stdout)["client_id"]
        self.codes: dict[str, str] = {}

    def post(self, path: str, **form: str) -> requests.Response:
        form |= {"client_id": self.client_id}
        return requests.post(f"{self.server.url}{path}", data=form, timeout=30)

    def ask(self) -> str:
        """For new codes; the address with the code in it."""
        asked = self.post("/oauth/device_authorization")
        assert asked.status_code == 200, asked.text
        self.codes = asked.json()
        return self.codes["verification_uri_complete"]

    def poll(self) -> requests.Response:
        device_code = self.codes["device_code"]
        return self.post("/oauth/token", grant_type=GRANT, device_code=device_code)
