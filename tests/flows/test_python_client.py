"""clients/python at a live server: its README as printed, its sign-ins, its command line."""

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from clients.python.tests.api import Api
from perennial import Pending, Session, SignInError, State
from perennial.cli import Outside, main
from perennial.clock import SystemClock
from tests.flows.enrolment import enrol
from tests.flows.surfer import Surfer
from tests.flows.test_device import type_code

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"
GRANTS = (
    "authorization_code",
    "refresh_token",
    "password",
    "urn:ietf:params:oauth:grant-type:device_code",
)


@pytest.fixture(scope="module")
def account(server):
    return enrol(
        server,
        grants=GRANTS,
        public=True,
        first_party=True,
        redirect_uris=("http://127.0.0.1/cb",),
    )


@pytest.fixture
def session(account):
    return Session(issuer=account.url, client_id=account.client_id, scope="read")


@pytest.fixture
def api():
    made = Api()
    made.routes["/me"] = lambda asked: (200, {}, json.dumps(asked.authorization).encode())
    yield made
    made.close()


class Browser:
    """A person who signs in where the URL leads, and lets the browser go back."""

    def __init__(self, account, decision="allow"):
        self.account, self.decision = account, decision
        self.crowd = ThreadPoolExecutor(1)
        self.urls = []

    def __call__(self, url):
        self.urls.append(url)
        self.page = self.crowd.submit(self.surf, url)

    def surf(self, url):
        with Surfer(self.account) as person:
            return httpx.get(person.go(url, self.decision))


ANY = {  # what another run says differently, in the order of replacement
    r"https?://[^/\s]+": "URL",
    r"(/\S+)+/[0-9a-f]{32}\.json": "FILE",
    r"[0-9a-f]{24,32}": "ID",
    r"(\d+ (d|h|min|s) ?)+": "TIME",
    r"[0-9]+": "NUMBER",
}


def in_general(text):
    for each, instead in ANY.items():
        text = re.sub(each, instead, text)
    return text.split()


def test_the_demo_of_the_readme(account, tmp_path, monkeypatch, capfd):
    (demo,) = re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def ask(prompt):
        print(prompt, file=sys.stderr)
        return account.password

    for step in demo.split("$ ")[1:]:
        command, printed = step.split("\n", 1)
        command = re.sub("--client-id \\w+", f"--client-id {account.client_id}", command)
        command = command.replace("--username demo", f"--username {account.username}")
        command = command.replace("http://127.0.0.1:8000", account.url)
        main(command.split()[3:], Outside(ask_secret=ask))
        said = capfd.readouterr()
        assert in_general(said.err + said.out) == in_general(printed)


def test_the_readme_as_printed(account, api, tmp_path, capsys):
    (block,) = re.findall(
        r"```python\n(from perennial import Session.*?)```", README.read_text(), re.DOTALL
    )
    for printed, real in {
        "https://id.example.com": account.url,
        'client_id="cli"': f"client_id={account.client_id!r}",
        "~/.config/app": str(tmp_path),
        '"alice", "correct horse"': f"{account.username!r}, {account.password!r}",
        "https://api.example.com": api.url,
    }.items():
        assert printed in block
        block = block.replace(printed, real)
    names = {}
    exec(block, names)
    assert capsys.readouterr().out.startswith("Bearer ")
    assert names["session"].state is State.SIGNED_OUT


def test_a_sign_in_with_the_browser(account, session):
    browser = Browser(account)
    session.sign_in_with_browser(open=browser, timeout=30)
    assert browser.page.result(30).status_code == 200
    assert "code_challenge" not in urlsplit(browser.urls[0]).query, "it was asked for in advance"
    first = session.lease()
    assert session.renew(first).access_token != first.access_token
    assert session.granted_scope == "read"
    assert session.times.session_left > 0
    assert session.logout()
    assert session.state is State.SIGNED_OUT


def test_an_application_on_a_server(server):
    account = enrol(server, grants=GRANTS[:2], redirect_uris=("https://app.example.com/cb",))
    session = Session(
        issuer=account.url,
        client_id=account.client_id,
        client_secret=account.client_secret,
        scope="read",
    )
    url, pending = session.authorization_request("https://app.example.com/cb")
    kept = pending.to_json()
    with Surfer(account) as person:
        session.finish_sign_in(Pending.from_json(kept), person.go(url))
    assert session.renew(session.lease()).access_token
    assert session.logout()


def test_a_person_who_says_no(server):
    stranger = enrol(server, grants=GRANTS[:2], public=True, redirect_uris=("http://127.0.0.1/cb",))
    session = Session(issuer=stranger.url, client_id=stranger.client_id, scope="read")
    with pytest.raises(SignInError) as refusal:
        session.sign_in_with_browser(open=Browser(stranger, "deny"), timeout=30)
    assert refusal.value.code == "access_denied"


class Quick(SystemClock):
    """Does something instead of waiting."""

    def __init__(self, meanwhile):
        self.meanwhile = meanwhile

    def pause(self, seconds, until):
        self.meanwhile()


def test_a_sign_in_on_another_device(account):
    shown, polls = [], []

    def decide():
        polls.append(1)
        if len(polls) == 3:
            type_code(account, shown[0].verification_uri, shown[0].user_code)

    session = Session(
        issuer=account.url, client_id=account.client_id, scope="read", clock=Quick(decide)
    )
    session.sign_in_with_device(shown.append)
    assert session.token()
    assert len(polls) == 3, "pending, slow_down, decided"


def test_the_command_line(account, api, tmp_path, capfd):
    def run(*words):
        code = main([words[0], "--store", str(tmp_path), *words[1:]], outside)
        return code, capfd.readouterr().out

    outside = Outside(open_browser=Browser(account))
    client = ["--issuer", account.url, "--client-id", account.client_id]
    assert run("sign-in", *client, "--scope", "read") == (0, "")
    _, first = run("token")
    assert run("call", f"{api.url}/me") == (0, json.dumps(f"Bearer {first.strip()}"))
    assert run("refresh") == (0, "")
    assert run("token")[1] != first
    assert json.loads(run("session", "--json")[1])["state"] == "active"
    assert run("sign-out") == (0, "")
    assert run("token") == (3, "")
