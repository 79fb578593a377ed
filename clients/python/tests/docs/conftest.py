"""A token server with an API that fails on demand, and the pages of docs/client at it."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from clients.conformance import Conformance
from perennial.clock import SystemClock


@pytest.fixture
def server():
    with Conformance() as running:
        yield running


@pytest.fixture
def names(server, tmp_path):
    """What the pages call things, and what they are called here."""
    return {
        "https://id.example.com": server.url,
        "https://api.example.com": f"{server.url}/api",
        '"film-notes"': '"conformance"',
        "~/.config/film-notes": str(tmp_path),
    }


@pytest.fixture
def counts(server):
    return lambda: server.log()["counts"]


class Surfing:
    """A person's browser; the server approves at once."""

    def __init__(self):
        self.crowd, self.opened = ThreadPoolExecutor(1), []

    def __call__(self, url):
        self.opened.append(url)
        self.crowd.submit(httpx.get, url, follow_redirects=True)
        return True


@pytest.fixture
def browser(monkeypatch):
    surfing = Surfing()
    monkeypatch.setattr("webbrowser.open", surfing)
    yield surfing
    surfing.crowd.shutdown()


@pytest.fixture
def pass_time(server, monkeypatch):
    """For the server, and for every clock of the client."""
    passed = []
    for name in ("wall", "monotonic"):
        real = getattr(SystemClock, name)
        monkeypatch.setattr(SystemClock, name, lambda clock, real=real: real(clock) + sum(passed))

    def advance(seconds):
        passed.append(seconds)
        server.advance_clock(seconds)

    return advance
