"""What is not HTTP is answered like everything else: a 4xx in JSON that repeats nothing of it."""

import json
import socket
from urllib.parse import urlsplit

import httpx
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


HEAD = "POST /oauth/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = f"{HEAD}{FORM}Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [
        "zz\r\nabc\r\n0\r\n\r\n",
        "-5\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "\r\nabc",
        "3\r\nabcXX0\r\n\r\n",
        "3\r\nabc\r\n0\r\nfoo bar\r\n\r\n",
    ],
)
def test_chunks_that_are_none_are_malformed(server, body):
    assert answer(server.url, (CHUNKED + body).encode())[0] == 400


def test_a_transfer_coding_nobody_knows_is_malformed(server):
    request = f"{HEAD}{FORM}Transfer-Encoding: rot13\r\n\r\n"
    assert answer(server.url, request.encode())[0] == 400


def test_a_chunked_body_over_64_kib_is_too_large_however_it_begins(server):
    form = "grant_type=password&username=a&password=b&client_id=c&padding="
    chunk = form + "x" * (70_000 - len(form))
    request = f"{CHUNKED}{len(chunk):x}\r\n{chunk}\r\n0\r\n\r\n"
    assert answer(server.url, request.encode())[0] == 413


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/oauth/token", FORM),
        ("POST", "/oauth/token", "Content-Type: text/plain\r\n"),
        ("POST", "/api/v1/auth/login", "Content-Type: application/json\r\n"),
        ("GET", "/api/v1/auth/session", ""),
        ("POST", "/healthz", ""),
    ],
)
def test_a_connection_that_ends_because_nobody_reads_the_body_is_announced(
    server, method, path, kind
):
    """A client that believed it open would lose its next request."""
    request = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{kind}Content-Length: 70000\r\n\r\n"
    status, headers, _ = answer(server.url, request.encode() + b"x" * 70_000)
    assert 400 <= status < 500
    assert headers["Connection"] == "close"


def test_a_refusal_of_a_body_that_is_not_too_large_leaves_the_connection_open(server):
    with httpx.Client(base_url=server.url) as client:
        for size in (65_536, 1, 65_536):
            refused = client.post("/oauth/token", content=b"x" * size)
            assert (refused.status_code, refused.headers["Connection"]) == (400, "keep-alive")


def test_a_body_that_was_cut_off_is_not_acted_on(server, confidential):
    """A refresh token cut short would be taken for a wrong one, and forgotten by its client."""
    basic = confidential.headers["Authorization"]
    form = "grant_type=refresh_token&refresh_token=prn_rt_0"
    head = f"{HEAD}{FORM}Authorization: {basic}\r\nContent-Length: 500\r\n\r\n"
    address = urlsplit(server.url)
    received = b""
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall((head + form).encode())
        connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65_536):
            received += piece
    assert b"invalid_grant" not in received
    assert received.startswith(b"HTTP/1.1 400 ")


def test_no_header_moves_a_request_to_another_path(server):
    request = (
        "POST /public/oauth/introspect HTTP/1.1\r\nHost: x\r\nSCRIPT_NAME: /public\r\n"
        f"Connection: close\r\n{FORM}Content-Length: 7\r\n\r\ntoken=x"
    )
    assert answer(server.url, request.encode())[0] in {400, 404}
