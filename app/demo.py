"""Demo data for development: one user, one client, and lines to copy and paste."""

import json
import os
import secrets
from pathlib import Path

from app.core.clients import Client
from app.features.clients import use_case as clients
from app.features.clients.use_case import Registered, Wish
from app.features.users import use_case as users
from app.services.runtime import Runtime
from app.store.users import User

FOLDER = Path("instance")
CREDENTIALS = FOLDER / "demo.json"
TOKENS = FOLDER / "demo-tokens.json"

LINES = """
Perennial serves {issuer}

In a browser: {issuer}/account/sessions
  user name {username}, password {password}

Sign in as {username}:
  curl -sS -u '{client_id}:{client_secret}' -d grant_type=password -d username={username} \
-d password={password} {issuer}/oauth/token -o {tokens} && cat {tokens}; echo

Refresh (again and again; each answer brings the next token):
  curl -sS -f -u '{client_id}:{client_secret}' -d grant_type=refresh_token \
-d refresh_token="$({read_refresh})" {issuer}/oauth/token -o {tokens}.next \
&& mv {tokens}.next {tokens} && cat {tokens}; echo

Revoke the session:
  curl -sS -u '{client_id}:{client_secret}' -d token="$({read_refresh})" {issuer}/oauth/revoke; echo

The public keys:
  curl -sS {issuer}/.well-known/jwks.json; echo

For `perennial` commands in other terminals:
  export PERENNIAL_ENV=development PERENNIAL_ISSUER={issuer} PATH="$PWD/.venv/bin:$PATH"
"""
READ_REFRESH = r"""sed 's/.*"refresh_token":"\([^"]*\)".*/\1/' {tokens}"""


def prepare(run: Runtime) -> str:
    """Make what is missing and return the lines. What exists is left as it is."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    demo = _known(run)
    if demo is None:
        demo = _create(run)
        _save(demo)
    return LINES.format(
        issuer=run.settings.require_issuer(),
        tokens=TOKENS,
        read_refresh=READ_REFRESH.format(tokens=TOKENS),
        **demo,
    )


def _known(run: Runtime) -> dict[str, str] | None:
    """The credentials from before, unless they belong to a database that is gone."""
    if not CREDENTIALS.exists():
        return None
    demo: dict[str, str] = json.loads(CREDENTIALS.read_text(encoding="utf-8"))
    return demo if isinstance(clients.find(run, demo["client_id"]), Client) else None


def _create(run: Runtime) -> dict[str, str]:
    username, password = "demo", secrets.token_urlsafe(12)
    user = users.create(run, username, None, password)
    if not isinstance(user, User):
        found = users.find(run, username)
        assert isinstance(found, User), "a name that is taken belongs to somebody"
        users.set_password(run, found, password)
    client = clients.register(
        run, Wish(name="Demo", grants=("password", "refresh_token"), scope="read write")
    )
    assert isinstance(client, Registered), "the demo registration follows the rules"
    assert client.secret is not None, "the demo client is confidential"
    return {
        "username": username,
        "password": password,
        "client_id": client.client.client_id,
        "client_secret": client.secret,
    }


def _save(demo: dict[str, str]) -> None:
    CREDENTIALS.unlink(missing_ok=True)
    descriptor = os.open(CREDENTIALS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(demo, file, indent=2)
