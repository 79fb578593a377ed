"""A day's work, mistakes included: nothing handed out is found in the database, logs or names."""

import contextlib
import http.client
import os
import socket
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import pytest

from tests.flows.caller import Account, Caller, new_password
from tests.flows.enrolment import enrol
from tests.live import LiveServer

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(params=["json", "console"])
def server(request, tmp_path):
    env = {"PERENNIAL_LOG_FORMAT": request.param}
    with LiveServer(tmp_path, env=env) as server:
        yield server


def work(account: Account) -> list[str]:
    """What an application does all day, done right; the tokens it was given."""
    caller = Caller(account)
    own = caller.post("/oauth/token", grant_type="client_credentials", scope="read").body
    given = [own, caller.sign_in(), caller.sign_in(scope="read")]
    for _ in range(3):
        given.append(caller.refresh(given[-1]["refresh_token"]).body)
    refresh, access = given[-1]["refresh_token"], given[-1]["access_token"]
    repeated = caller.refresh(given[-2]["refresh_token"]).body
    assert repeated["refresh_token"] == refresh
    assert caller.is_active(refresh)
    assert caller.is_active(access)
    assert caller.revoke(access).status == 200
    assert caller.refresh(given[2]["refresh_token"]).body["reason"] == "session_reused"
    assert caller.revoke(given[1]["refresh_token"]).status == 200
    assert not caller.is_active(given[1]["access_token"])
    caller.close()
    given.append(repeated)
    return [
        body[name] for body in given for name in body if name in {"access_token", "refresh_token"}
    ]


def misplace(url: str, secret: str, headers: dict[str, str]) -> None:
    """A secret wherever it does not belong; every answer is a refusal, none a failure."""
    escaped = quote_plus(secret)
    hidden = "".join(f"%{byte:02X}" for byte in secret.encode())
    body = f"grant_type=refresh_token&refresh_token={escaped}"
    requests = [
        ("POST", f"/oauth/token?refresh_token={escaped}", body, headers),
        ("GET", f"/oauth/token?access_token={escaped}", None, {}),
        ("GET", f"/api/{quote(secret)}", None, {}),
        ("GET", f"/{hidden}", None, {}),
        ("DELETE", f"/oauth/revoke/{escaped}", None, {}),
        ("POST", "/oauth/token", body, {"Authorization": f"Bearer {secret}"}),
        ("POST", "/oauth/token", body, {"Authorization": secret}),
        ("POST", "/oauth/token", body, {"Authorization": basic(secret, secret)}),
        ("POST", "/oauth/token", f"{body}&client_id={escaped}", {}),
        ("POST", "/oauth/token", f"{body}&client_id={escaped}&client_secret={escaped}", {}),
        ("POST", "/oauth/token", f"{body}&refresh_token={escaped}", headers),
        ("POST", "/oauth/token", f"{body}&{escaped}=1&{escaped}=2", headers),
        ("POST", "/oauth/token", f"{body}x&scope={escaped}&resource={escaped}", headers),
        ("POST", "/oauth/token", f"grant_type={escaped}", headers),
        ("POST", "/oauth/token", f"grant_type=password&username={escaped}&password=x", headers),
        ("POST", "/oauth/token", f"grant_type=password&username=x&password={escaped}", headers),
        ("POST", "/oauth/token", f"{body}x", {**headers, "Idempotency-Key": f"x {secret}"}),
        ("POST", "/oauth/token", body, {**headers, "Content-Type": f"text/{secret}"}),
        ("POST", "/oauth/introspect", f"token_type_hint={escaped}", headers),
        ("POST", "/oauth/token", escaped * 2000, headers),
        (
            *("GET", "/nowhere", None),
            {"Cookie": f"t={secret}", "Origin": secret, "X-Request-ID": secret, "Referer": secret},
        ),
    ]
    for method, path, form, sent in requests:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, form, {**FORM, **sent})
            assert 400 <= connection.getresponse().status < 500, (method, path[:20], sent)


def mangle(url: str, account: Account, secret: str) -> None:
    """What is not even HTTP, so that it never comes as far as the application."""
    form = urlencode({"grant_type": "password", "password": account.password})
    for request in (
        f"GET / HTTP/1.1\r\nAuthorization {account.headers['Authorization']}\r\n\r\n",
        f"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {form.index('&') + 1}\r\n\r\n{form}\r\n\r\n",
        f"GET /oauth/token?refresh_token={secret} HTTP/9.9\r\n\r\n",
        f"GET /{secret}\r\n\r\n",
        f"{secret} / HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\nAuthorization Bearer {secret}\r\n\r\n",
        f"GET / HTTP/1.1\r\nBearer {secret} : x\r\n\r\n",
        f"GET / HTTP/1.1\r\nContent-Length: {secret}\r\n\r\n",
        f"GET / HTTP/1.1\r\nTransfer-Encoding: {secret}\r\n\r\n",
        f"GET /?{secret * 100} HTTP/1.1\r\n\r\n",
    ):
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
            connection.sendall(request.encode())
            with contextlib.suppress(OSError):  # refused and closed by the server already
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def traces(secret: str) -> set[bytes]:
    """Forms in which a secret would still be of use to its finder."""
    forms = {secret, quote(secret), quote_plus(secret), b64encode(secret.encode()).decode()}
    if secret.startswith("ey"):
        forms.add(secret.rpartition(".")[2])  # the signature: the rest is not secret alone
    if secret.startswith("prn_"):
        forms.add(secret[len("prn_rt_") :])
    return {form.encode() for form in forms}


def everything_written(directory: Path) -> dict[str, bytes]:
    """Every file below the directory, and the names of all of them."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    written = {str(path.relative_to(directory)): path.read_bytes() for path in files}
    return {**written, "names": "\n".join(os.fspath(path) for path in files).encode()}


def found(written: dict[str, bytes], secrets: list[str]) -> list[tuple[str, str]]:
    return [
        (name, secret)
        for name, content in written.items()
        for secret in secrets
        if any(trace in content for trace in traces(secret))
    ]


@pytest.mark.clause("rfc6749-10.3-01", "rfc6749-10.4-01", "rfc6819-5.1.4.1.3-01")
def test_nothing_handed_out_is_found_in_database_logs_or_names(server, tmp_path):
    account = enrol(server, grants=("password", "refresh_token", "client_credentials"))
    tokens = work(account)
    wrong_password = new_password()
    credentials = ":".join(account.basic)
    secrets = [*tokens, account.client_secret, credentials, account.password, wrong_password]
    refresh = next(token for token in reversed(tokens) if token.startswith("prn_rt_"))
    access = next(token for token in reversed(tokens) if token.startswith("ey"))
    for secret in (refresh, access, account.client_secret):
        misplace(server.url, secret, account.headers)
        mangle(server.url, account, secret)
    caller = Caller(account)
    person = {"username": account.username, "password": wrong_password}
    assert caller.post("/oauth/token", grant_type="password", **person).status == 400
    caller.close()

    while_running = everything_written(tmp_path)
    assert {"perennial.db-wal", "server.log", "names"} < set(while_running)
    assert account.client_id.encode() in while_running["perennial.db-wal"], "a search finds things"
    assert account.client_id.encode() in while_running["server.log"], "a search finds things"
    assert found(while_running, secrets) == []
    server.stop()
    assert found(everything_written(tmp_path), secrets) == []
