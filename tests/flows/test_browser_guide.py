"""The commands and the Python of docs/browser.md, run as printed but for the addresses."""

import json
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.flows.caller import Account
from tests.flows.enrolment import enrol
from tests.flows.surfer import Surfer

GUIDE = Path(__file__).parents[2] / "docs" / "browser.md"
CALLBACK = "https://album.example.com/cb"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)


@pytest.fixture
def insecure_transport(monkeypatch):
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.fixture(scope="module")
def person(server) -> Account:
    return enrol(server)


@pytest.fixture(scope="module")
def registered(server, person):
    """The clients that the guide's commands make, by their names."""
    made = {}
    for block in blocks("sh"):
        if not block.startswith("perennial client create"):
            continue
        words = shlex.split(block.replace("\\\n", " "))
        done = server.cli(*words[1:], "--json")
        assert done.returncode == 0, done.stderr
        shown = json.loads(done.stdout)
        made[words[words.index("--name") + 1]] = Account(
            server.url,
            shown["client_id"],
            shown.get("client_secret"),
            person.username,
            person.password,
        )
    return made


@pytest.mark.usefixtures("insecure_transport")
def test_the_application_on_a_server(server, registered):
    account = registered["Photo album"]
    names: dict[str, object] = {
        "CLIENT_ID": account.client_id,
        "CLIENT_SECRET": account.client_secret,
    }
    exec(blocks("python")[0].replace("https://id.example.com", server.url), names)
    session: dict[str, str] = {}
    with Surfer(account) as browser:
        back = browser.go(names["begin"](session))
    token = names["callback"](session, back)
    assert token["scope"] == "photos:read"
    assert session == {}
    with pytest.raises(ValueError, match="another server"):
        names["callback"]({"state": "", "verifier": ""}, back.replace("iss=", "iss=x"))


def test_the_pushed_request(server, registered):
    account = registered["Photo album"]
    (block,) = [each for each in blocks("sh") if each.startswith("curl")]
    names = {
        "CLIENT_ID": account.client_id,
        "CLIENT_SECRET": account.client_secret or "",
        "ISSUER": server.url,
    }
    for name, value in names.items():
        block = block.replace(f"${name}", value)
    words = shlex.split(block.replace("\\\n", " "))
    form = dict(words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "-d")
    answer = httpx.post(words[-1], data=form, auth=tuple(words[3].split(":")))
    assert answer.status_code == 201
    with Surfer(account) as browser:
        query = f"client_id={account.client_id}&request_uri={answer.json()['request_uri']}"
        back = browser.go(f"{server.url}/oauth/authorize?{query}")
    assert back.startswith(CALLBACK + "?code=prn_ac_")


@pytest.mark.usefixtures("insecure_transport")
def test_the_application_on_a_device(server, registered, monkeypatch):
    account = registered["Photo uploader"]
    names: dict[str, object] = {}
    exec(blocks("python")[1], names)
    monkeypatch.setattr(names["Callback"], "log_message", lambda *_: None)

    def surf(url):
        with Surfer(account) as browser:
            httpx.get(browser.go(url), timeout=30)

    with ThreadPoolExecutor(1) as person:
        surfing = []
        token = names["sign_in"](
            server.url, account.client_id, lambda url: surfing.append(person.submit(surf, url))
        )
        surfing[0].result(30)
    assert token["refresh_token"].startswith("prn_rt_")
