"""An account on a live server, and the calls an application makes with it. Fit for any process."""

import http.client
import json
import secrets
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

SECONDS = 20  # longer than a server may take to answer


class NoAnswerError(Exception):
    """The connection was refused or ended; what the server did is unknown."""


class Answer(NamedTuple):
    status: int
    body: dict[str, Any]


@dataclass(frozen=True)
class Account:
    """A person and a client of one server; `client_secret` is None for a public client."""

    url: str
    client_id: str
    client_secret: str | None
    username: str
    password: str

    @property
    def basic(self) -> tuple[str, str]:
        assert self.client_secret is not None
        return self.client_id, self.client_secret

    @property
    def headers(self) -> dict[str, str]:
        credentials = b64encode(":".join(self.basic).encode()).decode()
        return {"Authorization": f"Basic {credentials}"}


class Caller:
    """One keep-alive connection. After `close`, or when it was lost, the next call opens another."""

    def __init__(self, account: Account, url: str | None = None) -> None:
        self.account = account
        self._connection = http.client.HTTPConnection(
            urlsplit(url or account.url).netloc, timeout=SECONDS
        )

    def close(self) -> None:
        self._connection.close()

    def send(self, path: str, *, key: str | None = None, **form: str) -> None:
        """Ask without waiting for the answer."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", **self.account.headers}
        if key is not None:
            headers["Idempotency-Key"] = key
        self._connection.request("POST", path, urlencode(form), headers)

    def receive(self) -> Answer:
        answer = self._connection.getresponse()
        body = answer.read()
        return Answer(answer.status, json.loads(body) if body else {})

    def post(self, path: str, *, key: str | None = None, **form: str) -> Answer:
        try:
            self.send(path, key=key, **form)
            return self.receive()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NoAnswerError from error

    def sign_in(self, **form: str) -> dict[str, Any]:
        person = {"username": self.account.username, "password": self.account.password}
        answer = self.post("/oauth/token", grant_type="password", **person, **form)
        assert answer.status == 200, answer
        return answer.body

    def refresh(self, token: str, *, key: str | None = None) -> Answer:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return self.post("/oauth/token", key=key, **form)

    def revoke(self, token: str) -> Answer:
        return self.post("/oauth/revoke", token=token)

    def is_active(self, token: str) -> bool:
        answer = self.post("/oauth/introspect", token=token)
        assert answer.status == 200, answer
        return answer.body["active"]


def new_password() -> str:
    return secrets.token_urlsafe(24)
