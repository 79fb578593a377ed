"""What is not HTTP is answered like everything else: a 4xx in JSON that repeats nothing of it."""

import json
import socket
from urllib.parse import urlsplit

import pytest

SECRET = "prn_rt_" + "1" * 64
LONG = "x" * 9_000


def answer(url: str, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to raw bytes."""
    address = urlsplit(url)
    received = b""
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(request)
        while piece := connection.recv(65_536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (f"{SECRET}\r\n\r\n", 400),
        (f"GET /{SECRET} HTTP/9.9\r\n\r\n", 400),
        (f"POST /oauth/token HTTP/1.1\r\nAuthorization Bearer {SECRET}\r\n\r\n", 400),
        (f"POST /oauth/token HTTP/1.1\r\nContent-Length: {SECRET}\r\n\r\n", 400),
        (f"GET /{LONG} HTTP/1.1\r\n\r\n", 414),
        (f"GET / HTTP/1.1\r\nX-Long: {LONG}\r\n\r\n", 431),
    ],
)
def test_it_gets_a_json_error_that_repeats_nothing(server, request_text, status):
    got, headers, body = answer(server.url, request_text.encode())
    assert got == status
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert json.loads(body)["error"] == "invalid_request"
    assert SECRET.encode() not in body
