"""The product inside the test's own process: a clock to push forward, a database, HTTP calls."""

import shutil
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

import flask_migrate
from werkzeug.test import TestResponse

from app import create_app
from app.features.clients import use_case as clients
from app.features.clients.use_case import Registered, Wish
from app.features.users import use_case as users
from app.services.runtime import runtime
from app.settings import Settings

ISSUER = "https://id.example.com"
PASSWORD = "correct horse battery staple"
STARTED = 1_800_000_000_000  # UTC milliseconds

Form = Mapping[str, str] | Sequence[tuple[str, str]]


class Clock:
    """UTC milliseconds that move only when a test says so."""

    def __init__(self) -> None:
        self.now = STARTED

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


class Site:
    """One server with its clock. `settings` are fields of `Settings`."""

    def __init__(self, database_url: str, keys_dir: Path, **settings: Any) -> None:
        self.clock = Clock()
        chosen = {"issuer": ISSUER, "database_url": database_url, "keys_dir": keys_dir}
        self.app = create_app(Settings(**{**chosen, **settings}), self.clock)
        self.run = runtime(self.app)
        self.http = self.app.test_client()

    def prepare(self) -> None:
        """Migrate and make the first keys, as `perennial serve --migrate` does."""
        with self.app.app_context():
            flask_migrate.upgrade()
        self.run.ceremony().establish(self.clock())

    def close(self) -> None:
        self.run.transactions.dispose()
        self.run.rotations.dispose()

    def user(self, name: str = "alice", password: str = PASSWORD) -> users.User:
        made = users.create(self.run, name, None, password)
        assert isinstance(made, users.User), made
        return made

    def client(self, *grants: str, **wish: Any) -> Registered:
        """A confidential client with the password and refresh grants unless told otherwise."""
        wanted = {"name": "Test", "scope": "read write", **wish}
        if "resource" not in wanted:
            wanted["grants"] = grants or ("password", "refresh_token")
        made = clients.register(self.run, Wish(**wanted))
        assert isinstance(made, Registered), made
        return made

    def post(
        self,
        path: str,
        form: Form,
        client: Registered | None = None,
        headers: Mapping[str, str] | None = None,
        address: str | None = None,
    ) -> TestResponse:
        """POST a form; a confidential client authenticates by Basic, a public one by client_id."""
        fields = list(form.items()) if isinstance(form, Mapping) else list(form)
        sent = dict(headers or {})
        if client is not None and client.secret is not None:
            sent["Authorization"] = basic(client.client.client_id, client.secret)
        elif client is not None:
            fields.append(("client_id", client.client.client_id))
        return self.http.post(
            path,
            data=urlencode(fields),
            headers=sent,
            content_type="application/x-www-form-urlencoded",
            environ_base={} if address is None else {"REMOTE_ADDR": address},
        )

    def token(
        self, client: Registered | None, headers: Mapping[str, str] | None = None, **form: str
    ) -> TestResponse:
        return self.post("/oauth/token", form, client, headers)

    def sign_in(self, client: Registered, name: str = "alice", **form: str) -> dict[str, Any]:
        answer = self.token(client, grant_type="password", username=name, password=PASSWORD, **form)
        assert answer.status_code == 200, answer.text
        return answer.json

    def refresh(
        self,
        client: Registered,
        token: str,
        *,
        key: str | None = None,
        device: tuple[str, str] | None = None,
        **form: str,
    ) -> TestResponse:
        """`device` is an address and a user agent."""
        address, user_agent = device or (None, None)
        sent = {"User-Agent": user_agent, "Idempotency-Key": key}
        headers = {name: value for name, value in sent.items() if value is not None}
        wanted = {"grant_type": "refresh_token", "refresh_token": token, **form}
        return self.post("/oauth/token", wanted, client, headers, address)

    def revoke(self, client: Registered, token: str, **form: str) -> TestResponse:
        return self.post("/oauth/revoke", {"token": token, **form}, client)

    def introspect(self, client: Registered, token: str, **form: str) -> dict[str, Any]:
        answer = self.post("/oauth/introspect", {"token": token, **form}, client)
        assert answer.status_code == 200, answer.text
        return answer.json


def basic(user: str, password: str) -> str:
    """A Basic header with both parts form-encoded first (RFC 6749 §2.3.1)."""
    pair = f"{quote_plus(user)}:{quote_plus(password)}"
    return "Basic " + b64encode(pair.encode()).decode()


class Template:
    """A migrated database with its keys, made once and copied for each test."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.database_url = database_url
        self.keys = folder / "keys"
        site = Site(database_url, self.keys)
        site.prepare()
        site.close()

    def copy_keys(self, folder: Path) -> Path:
        return Path(shutil.copytree(self.keys, folder / "keys"))
