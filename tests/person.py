"""A person with a browser: cookies, forms read by a parser of the standard library, no script."""

import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from werkzeug.test import Client, TestResponse

from app.features.clients.use_case import Registered
from tests.site import ISSUER, PASSWORD, Site

AUTHORIZE, SIGN_IN, CONSENT, SIGN_OUT = "/oauth/authorize", "/sign-in", "/consent", "/sign-out"
CALLBACK = "https://app.example.com/cb"
VERIFIER = "verifier-" + "v" * 40


def challenge(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class Page(HTMLParser):
    """What a test wants to know of a page: its forms with their fields, its text and its tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.action = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag == "form":
            self.action = found["action"] or ""
        if tag == "input" and found.get("type") != "checkbox":
            self.fields[found["name"] or ""] = found.get("value") or ""

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def answer_of(location: str) -> dict[str, str]:
    """The parameters of an authorization response, each once."""
    pairs = parse_qsl(urlsplit(location).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), location
    return dict(pairs)


@dataclass
class Person:
    """One browser at one site."""

    site: Site
    username: str = "alice"
    password: str = PASSWORD
    browser: Client = field(init=False)

    def __post_init__(self) -> None:
        self.browser = self.site.app.test_client()

    def get(self, url: str, **more: Any) -> TestResponse:
        return self.browser.get(self._here(url), base_url=ISSUER, **more)

    def post(self, url: str, form: dict[str, str], **more: Any) -> TestResponse:
        return self.browser.post(self._here(url), data=form, base_url=ISSUER, **more)

    def _here(self, url: str) -> str:
        return url.removeprefix(ISSUER)

    def cookie(self, name: str) -> str | None:
        found = self.browser.get_cookie(f"__Host-{name}", domain="id.example.com")
        return None if found is None else found.value

    def ask(self, client: Registered, **wanted: str | None) -> TestResponse:
        """GET /oauth/authorize; None leaves a parameter out."""
        return self.get(f"{AUTHORIZE}?{urlencode(request(client, **wanted))}")

    def sign_in_at(self, location: str, **form: str) -> TestResponse:
        """Follow the location to the sign-in page and send its form."""
        page = Page(self.get(location).text)
        typed = {"username": self.username, "password": self.password}
        return self.post(page.action, {**page.fields, **typed, **form})

    def consent_at(self, location: str, decision: str = "allow", **form: str) -> TestResponse:
        page = Page(self.get(location).text)
        return self.post(page.action, {**page.fields, "decision": decision, **form})

    def sign_in(self, **form: str) -> TestResponse:
        """On one's own account."""
        return self.sign_in_at(SIGN_IN, **form)

    def authorize(self, client: Registered, **wanted: str | None) -> dict[str, str]:
        """Through every page there is, to what the client is told."""
        answer = self.ask(client, **wanted)
        for path, act in ((SIGN_IN, self.sign_in_at), (CONSENT, self.consent_at)):
            if urlsplit(answer.location or "").path == path:
                answer = act(answer.location)
        assert answer.status_code == 303, answer.text
        assert not answer.location.startswith(ISSUER), answer.location
        return answer_of(answer.location)

    def code(self, client: Registered, **wanted: str | None) -> str:
        return self.authorize(client, **wanted)["code"]


def request(client: Registered, **wanted: str | None) -> dict[str, str]:
    usual = {
        "response_type": "code",
        "client_id": client.client.client_id,
        "redirect_uri": client.client.redirect_uris[0],
        "state": secrets.token_urlsafe(8),
        "code_challenge": challenge(VERIFIER),
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in {**usual, **wanted}.items() if value is not None}


def web_app(site: Site, *more: str, **wish: Any) -> Registered:
    """A confidential third party with codes and refresh tokens."""
    wanted = {"redirect_uris": (CALLBACK,), "name": "Photo album", **wish}
    return site.client("authorization_code", "refresh_token", *more, **wanted)


def exchange(site: Site, client: Registered, redeemed: str, /, **form: str) -> TestResponse:
    """Redeem a code as its client would."""
    usual = {
        "grant_type": "authorization_code",
        "code": redeemed,
        "redirect_uri": client.client.redirect_uris[0],
        "code_verifier": VERIFIER,
    }
    wanted = {name: value for name, value in {**usual, **form}.items() if value}
    return site.token(client, **wanted)
