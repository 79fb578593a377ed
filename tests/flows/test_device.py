"""docs/device.md, run as printed but for the addresses, and a client that nobody here wrote."""

import json
import re
import shlex
from pathlib import Path

import httpx
import pytest
from oauthlib.oauth2 import DeviceClient, InvalidGrantError
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error
from requests_oauthlib import OAuth2Session

from tests.flows.caller import Account
from tests.flows.enrolment import enrol
from tests.flows.surfer import type_code

GUIDE = Path(__file__).parents[2] / "docs" / "device.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def account(server) -> Account:
    """A person, and the client that the guide's command makes."""
    person = enrol(server)
    done = server.cli(*shlex.split(blocks("sh")[0].replace("\\\n", " "))[1:], "--json")
    assert done.returncode == 0, done.stderr
    client_id = json.loads(done.stdout)["client_id"]
    return Account(server.url, client_id, None, person.username, person.password)


def run(block: str, **names: str) -> httpx.Response:
    """A `curl` command of the guide."""
    for name, value in names.items():
        block = block.replace(f"${name}", value)
    words = shlex.split(block.replace("\\\n", " "))
    form = dict(words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "-d")
    return httpx.post(words[-1], data=form)


def test_the_commands_of_the_guide(account):
    names = {"CLIENT_ID": account.client_id, "ISSUER": account.url}
    codes = run(blocks("sh")[1], **names).json()
    names["DEVICE_CODE"] = codes["device_code"]
    assert run(blocks("sh")[2], **names).json()["error"] == "authorization_pending"
    assert "is signed in" in type_code(
        account, codes["verification_uri_complete"], codes["user_code"]
    )
    assert run(blocks("sh")[2], **names).json()["scope"] == "films:read"


@pytest.mark.clause("rfc8628-3.5-01", "rfc8628-3.5-02", "rfc8628-3.5-03", "rfc8628-3.3-01")
@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_the_program_of_the_guide(account, decision):
    names: dict[str, object] = {}
    exec(blocks("python")[1], names)
    shown, waited = [], []

    def wait(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            (codes,) = shown
            type_code(account, codes["verification_uri"], codes["user_code"], decision)

    def sign_in():
        return names["sign_in"](account.url, account.client_id, shown.append, wait)

    if decision == "allow":
        assert sign_in()["refresh_token"].startswith("prn_rt_")
    else:
        with pytest.raises(RuntimeError, match="access_denied"):
            sign_in()
    assert waited == [5, 5, 10], "pending, slow_down, decided"


@pytest.mark.clause("rfc8628-3.3-01", "rfc8628-3.4-01", "rfc8628-4-01")
def test_oauthlib_completes_the_flow(account, metadata, monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    endpoint = metadata["device_authorization_endpoint"]
    client = DeviceClient(account.client_id, scope="films:read")
    form = {"client_id": account.client_id, "scope": "films:read"}
    asked = httpx.post(endpoint, data=form).json()
    with OAuth2Session(client=client) as session:

        def poll():
            return session.fetch_token(
                metadata["token_endpoint"],
                device_code=asked["device_code"],
                include_client_id=True,
            )

        with pytest.raises(CustomOAuth2Error, match="authorization_pending"):
            poll()
        type_code(account, asked["verification_uri"], asked["user_code"].lower())
        assert poll()["scope"] == ["films:read"]
        with pytest.raises(InvalidGrantError):
            poll()
