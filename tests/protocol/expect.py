"""What answers of the protocol have in common, and how a test looks into a token."""

import json
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from sqlalchemy import inspect, text
from werkzeug.test import TestResponse

from app.features.clients.use_case import Registered
from tests.site import Site

FORM = "application/x-www-form-urlencoded"
TOKEN, REVOKE, INTROSPECT = "/oauth/token", "/oauth/revoke", "/oauth/introspect"
ENDPOINTS = (TOKEN, REVOKE, INTROSPECT)
UNREACHABLE = ("postgresql+psycopg://127.0.0.1:1/none", "sqlite:///{directory}")
"""Databases that are not there: nobody listens, and no file can be opened."""


def refused(answer: TestResponse, error: str, status: int = 400, reason: str | None = None) -> None:
    """An error answer of RFC 6749 §5.2, never cached."""
    assert (answer.status_code, answer.json.get("error")) == (status, error), answer.text
    assert answer.json.get("reason") == reason
    assert answer.mimetype == "application/json"
    never_cached(answer)


def never_cached(answer: TestResponse) -> None:
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"


def wire(answer: TestResponse) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All that a caller sees but for the request's id."""
    headers = [(name, value) for name, value in answer.headers if name != "X-Request-ID"]
    return answer.status_code, answer.data, sorted(headers)


def header(token: str) -> dict[str, Any]:
    return _part(token, 0)


def claims(token: str) -> dict[str, Any]:
    return _part(token, 1)


def _part(token: str, place: int) -> dict[str, Any]:
    return json.loads(unbase64url(token.split(".")[place]), object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    assert len(members) == len(pairs), f"a member occurs twice: {pairs}"
    return members


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unbase64url(text: str) -> bytes:
    assert "=" not in text
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def raw_basic(pair: bytes) -> dict[str, str]:
    """A Basic header for exactly these bytes."""
    return {"Authorization": "Basic " + b64encode(pair).decode()}


def credentials(client: Registered) -> dict[str, str]:
    assert client.secret is not None
    return raw_basic(f"{client.client.client_id}:{client.secret}".encode())


def send(
    site: Site,
    client: Registered,
    body: bytes,
    path: str = TOKEN,
    content_type: str | None = FORM,
) -> TestResponse:
    """POST these bytes as they are, authenticated."""
    return site.http.post(
        path, data=body, headers=credentials(client), content_type=content_type or ""
    )


def everything(site: Site) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with site.run.rotations.connect() as connection:
        return {
            table: sorted(map(tuple, connection.execute(text(f"SELECT * FROM {table}"))), key=repr)
            for table in inspect(connection).get_table_names()
        }
