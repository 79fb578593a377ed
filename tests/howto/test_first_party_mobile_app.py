"""The session of docs/howto/first-party-mobile-app.md, by a script with a key store of its own."""

import json

import httpx
import pytest

from tests.guides import block
from tests.needs import NODE_MODULES
from tests.node import running

PAGE = "howto/first-party-mobile-app.md"
SCRIPT = NODE_MODULES.with_name("mobile-app.mjs")


@pytest.mark.needs("node")
def test_an_app_on_a_phone_stays_signed_in_until_it_is_ended(register, tmp_path, end_sessions):
    account = register(PAGE)
    changes = {"https://id.example.com": account.url, "CLIENT_ID": account.client_id}
    (tmp_path / "session.mjs").write_text(block(PAGE, "js", changes))
    env = {
        "APP": str(tmp_path / "session.mjs"),
        "NAME": account.username,
        "PASSWORD": account.password,
    }
    with running(SCRIPT, env=env, cwd=tmp_path) as node:
        for line in node.stdout:
            said = json.loads(line)
            if said == "a week":
                week = {"advance": 7 * 86_400}
                httpx.post(f"{account.url}/dev/clock", json=week).raise_for_status()
                print("has passed", file=node.stdin)
            if said == "end":
                end_sessions(account)
                print("has come", file=node.stdin)
    found = said["found"]
    assert found["renewals"] == 1, "however many ask"
    assert found["before"] != found["after"]
    assert found["lost"] == found["found"], "the successor that the app could not keep"
    assert found["ended"] == {"status": 401, "reason": "session_ended"}
    assert found["forgotten"] == found["loggedOut"] == {"status": 401}
