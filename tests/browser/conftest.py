"""A server with one account, applications that use it, and browsers."""

from contextlib import ExitStack
from http.server import HTTPServer
from threading import Thread

import pytest

from tests.browser.applications import App, Callback, Television
from tests.browser.chromium import Chromium
from tests.live import LiveServer
from tests.site import PASSWORD


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with LiveServer(tmp_path_factory.mktemp("server")) as live:
        made = live.cli("user", "create", "alice", "--password-stdin", input=PASSWORD)
        assert made.returncode == 0, made.stderr
        yield live


@pytest.fixture
def app(server):
    with HTTPServer(("127.0.0.1", 0), Callback) as listener:
        listener.came = []
        thread = Thread(target=listener.serve_forever)
        thread.start()
        made = App(server, listener)
        yield made
        made.http.close()
        listener.shutdown()
        thread.join()


@pytest.fixture
def television(server):
    return Television(server)


@pytest.fixture
def chromium(tmp_path):
    """Starts browsers; they end with the test."""
    with ExitStack() as stack:
        yield lambda name, **how: stack.enter_context(Chromium(tmp_path / name, **how))
