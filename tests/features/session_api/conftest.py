"""The owner's application, as a phone (body mode) and as a page in a browser (cookie mode)."""

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.features.clients.use_case import Registered
from app.protocol.problems import API
from tests.protocol.expect import never_cached
from tests.site import ISSUER, PASSWORD, Site, Template

APP = "https://app.example.com"
COOKIE = "__Host-perennial_rt"
IN_BROWSER = {"X-Session-Mode": "cookie", "X-Requested-With": "perennial", "Origin": ISSUER}


class App:
    """One device: its headers, and a cookie jar of its own."""

    def __init__(self, site: Site, client: Registered, **headers: str) -> None:
        self.site, self.client = site, client
        self.client_id = client.client.client_id
        self.headers = headers
        self.http = site.app.test_client()

    def post(
        self, call: str, headers: Mapping[str, str] | None = None, **members: Any
    ) -> TestResponse:
        sent = {**self.headers, **(headers or {})}
        return self.http.post(API + call, json=members, headers=sent)

    def login(self, name: str = "alice", **members: Any) -> TestResponse:
        asked = {"username": name, "password": PASSWORD, "client_id": self.client_id}
        return self.post("login", **{**asked, **members})

    def logged_in(self, name: str = "alice", **members: Any) -> dict[str, Any]:
        answer = self.login(name, **members)
        assert answer.status_code == 200, answer.text
        never_cached(answer)
        return answer.json

    def refresh(self, token: str | None = None, **members: Any) -> TestResponse:
        if token is not None:
            members = {"refresh_token": token, "client_id": self.client_id, **members}
        return self.post("refresh-token", **members)

    def get(self, call: str, token: str) -> TestResponse:
        return self.http.get(API + call, headers=bearer(token))

    def end(self, sid: str, token: str) -> TestResponse:
        return self.http.delete(f"{API}sessions/{sid}", headers=bearer(token))

    @property
    def cookie(self) -> str | None:
        held = self.http.get_cookie(COOKIE)
        return None if held is None else held.value

    @cookie.setter
    def cookie(self, token: str) -> None:
        self.http.set_cookie(COOKIE, token)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def problem(answer: TestResponse, reason: str, status: int) -> None:
    """A problem document of the closed list, that says nothing it should not."""
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), (
        answer.text
    )
    assert answer.json["reason"] == reason, answer.text
    assert answer.json["status"] == status
    assert answer.json["type"] == f"{ISSUER}/errors#{reason}"
    assert set(answer.json) == {"type", "title", "status", "detail", "reason"}
    assert ("WWW-Authenticate" in answer.headers) >= (status == 401)
    never_cached(answer)


def rows(site: Site) -> list[dict[str, Any]]:
    with site.run.rotations.connect() as connection:
        found = connection.execute(text("SELECT * FROM sessions ORDER BY created_at, public_id"))
        return [dict(row) for row in found.mappings()]


def own_client(site: Site, *grants: str, **wish: Any) -> Registered:
    wanted = {"public": True, "first_party": True, "origins": (APP,), **wish}
    return site.client(*grants, **wanted)


@pytest.fixture
def phone(any_site) -> App:
    any_site.user()
    any_site.user("bob")
    return App(any_site, own_client(any_site))


@pytest.fixture
def page(any_site) -> App:
    any_site.user()
    any_site.user("bob")
    return App(any_site, own_client(any_site), **IN_BROWSER)


@pytest.fixture(scope="module")
def standing_site(sqlite_template: Template, tmp_path_factory) -> Iterator[Site]:
    """One server, and alice, for the tests of a module that leave nothing behind."""
    folder = tmp_path_factory.mktemp("standing-api")
    file = folder / "site.db"
    shutil.copyfile(sqlite_template.database_url.removeprefix("sqlite:///"), file)
    site = Site(f"sqlite:///{file}", sqlite_template.copy_keys(folder))
    site.user()
    yield site
    site.close()
