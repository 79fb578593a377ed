"""Promise: http is for loopback only, where nobody listens. Broken: with `http_proxy` set, as in many
offices and containers, requests to http://127.0.0.1 go to the proxy, passwords and tokens in the clear."""

import socket
import threading

import pytest

from perennial.messages import Request, TransportError
from perennial.transport import UrllibTransport


def test_a_request_to_loopback_goes_to_loopback(monkeypatch):
    proxy = socket.create_server(("127.0.0.1", 0))
    seen = []

    def serve():
        connection, _ = proxy.accept()
        connection.settimeout(1)
        seen.append(connection.recv(65536))
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(TransportError):
        UrllibTransport()(
            Request("http://127.0.0.1:9/token", 2, 1000, {}, b"refresh_token=cft_secret")
        )
    proxy.close()
    assert seen == [], seen
