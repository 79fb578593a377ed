"""Whoever sends slowly, or not at all, keeps nobody else waiting for long."""

import http.client
import socket

import pytest

from tests.live import LiveServer
from tests.servers import wait_until

THREADS = 8
BODY = b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\ngrant_type="


@pytest.mark.parametrize("sent", [b"", BODY], ids=["silent", "half a body"])
def test_more_slow_connections_than_threads_delay_the_others_but_stop_nobody(tmp_path, sent):
    with LiveServer(tmp_path) as server:
        address = ("127.0.0.1", server.port)
        slow = [socket.create_connection(address) for _ in range(THREADS + 1)]
        for connection in slow:
            connection.sendall(sent)
        wait_until(lambda: healthy(server), "somebody else is served", seconds=40)
        for connection in slow:
            connection.close()


def healthy(server: LiveServer) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=40)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
