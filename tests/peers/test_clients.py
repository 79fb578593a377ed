"""Clients from npm, unmodified: discovery, codes, refreshes, pushed requests and codes of devices."""

import json
from pathlib import Path

import pytest

from tests.flows.caller import Account
from tests.flows.enrolment import enrol
from tests.flows.surfer import Surfer, type_code
from tests.needs import NODE_MODULES
from tests.node import running

CALLBACK = "https://app.example.com/cb"
GRANTS = (
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
)
DIRECT = [
    "client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_type",
    "scope", "state",
]  # fmt: skip


def found_by(script: str, account: Account, cwd: Path) -> dict:
    """What the script reports, with a person at hand who opens addresses and types codes."""
    env = {
        "ISSUER": account.url,
        "CLIENT_ID": account.client_id,
        "CLIENT_SECRET": account.client_secret or "",
        "REDIRECT_URI": CALLBACK,
    }
    found = {}
    with (
        Surfer(account) as browser,
        running(NODE_MODULES.with_name(script), env=env, cwd=cwd) as node,
    ):
        for line in node.stdout:
            match json.loads(line):
                case {"open": url}:
                    print(browser.go(url), file=node.stdin)
                case {"type": code, "at": uri}:
                    print(type_code(account, uri, code), file=node.stdin)
                case {"found": found}:
                    pass
    return found


@pytest.mark.needs("node")
@pytest.mark.parametrize("public", [True, False], ids=["public", "confidential"])
@pytest.mark.parametrize("script", ["openid-client.mjs", "oauth4webapi.mjs"])
@pytest.mark.clause("rfc9207-2-01", "rfc9207-3-01", "rfc9126-2.2-01", "rfc8628-3.3-01")
def test_a_client_from_npm_completes_every_flow(issuer, tmp_path, script, public):
    account = enrol(issuer.server, grants=GRANTS, public=public, redirect_uris=(CALLBACK,))
    found = found_by(script, account, tmp_path)
    assert found["asked"] == DIRECT
    assert found["forged"] == found["stripped"] == {"code": "OAUTH_INVALID_RESPONSE"}, "no iss"
    first, second, again, third = found["chain"]
    assert second == again, "a refresh that is repeated brings the same successor"
    assert len({first, second, third}) == 3
    assert found["ended"] == {
        "code": "OAUTH_RESPONSE_BODY_ERROR",
        "error": "invalid_grant",
        "reason": "session_ended",
    }
    assert found["pushed"] == {"asked": ["client_id", "request_uri"], "scope": "read"}
    assert found["device"] == {"scope": "read", "refreshed": "read"}
