"""Promise: http is for loopback only, where nobody listens. With `http_proxy` set, as in many offices and
containers, requests to this machine go to no proxy: passwords and tokens would, in the clear."""

import socket
from urllib.request import Request as Plain

import pytest

from perennial.messages import Request, TransportError
from perennial.transport import Proxies, UrllibTransport


def test_a_request_to_loopback_goes_to_loopback(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with pytest.raises(TransportError):
            UrllibTransport()(
                Request("http://127.0.0.1:9/token", 2, 1000, {}, b"refresh_token=cft_secret")
            )
        proxy.setblocking(False)  # the standard library has no name for it
        with pytest.raises(BlockingIOError):
            proxy.accept()


@pytest.mark.parametrize(
    ("url", "by_proxy"),
    [
        ("http://localhost:8000/token", False),
        ("http://[::1]/token", False),
        ("https://127.0.0.1:8443/token", False),
        ("https://id.example.com/token", True),
    ],
)
def test_a_proxy_is_for_other_machines(url, by_proxy):
    scheme = url.partition(":")[0]
    proxies = Proxies({"http": "http://proxy:3128", "https": "http://proxy:3128"})
    request = Plain(url)
    getattr(proxies, f"{scheme}_open")(request)
    assert (request.host == "proxy:3128") is by_proxy
