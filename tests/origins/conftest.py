"""A server, browsers with scripts, and sites of other origins."""

from contextlib import ExitStack

import pytest

from tests.live import LiveServer
from tests.origins.device import Device
from tests.origins.site import WebSite


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with LiveServer(tmp_path_factory.mktemp("server"), workers=2) as live:
        yield live


@pytest.fixture
def chromium(tmp_path):
    """Starts browsers; they end with the test."""
    with ExitStack() as stack:
        yield lambda name, **how: stack.enter_context(Device(tmp_path / name, **how))


@pytest.fixture
def web_site():
    """Starts sites; they end with the test."""
    with ExitStack() as stack:
        yield lambda host="127.0.0.1": stack.enter_context(WebSite(host))
