"""What a refresh costs, in RSA-2048 signatures measured in the same run.

Machines are noisy and shared: the ratio is the result, the absolute times are context. In process
the WSGI application is called directly, batches of refreshes alternating with batches of bare
signatures on one processor. Behind gunicorn the CPU time of the workers is read from the kernel
while one client refreshes one session over one connection.
"""

import argparse
import http.client
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import redirect_stderr
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import flask_migrate

from app import create_app
from app.core.keyring import Algorithm
from app.features.clients import use_case as clients
from app.features.clients.use_case import Registered, Wish
from app.features.users import use_case as users
from app.services.algorithms import new_private_key, signing
from app.services.runtime import Runtime, runtime
from app.settings import Settings

ROOT = Path(__file__).parents[1]
BATCH = 200
GOALS = {"in process": 3.2, "behind gunicorn": 4.4}
Account = tuple[str, str]
Post = Callable[[dict[str, str]], dict[str, str]]


def signature() -> Callable[[], object]:
    """One bare signature over a message of an access token's size."""
    sign, message = signing(Algorithm.RS256, new_private_key()), b"m" * 500
    return lambda: sign(message)


def cpu_of(work: Callable[[], object], times: int) -> float:
    """CPU seconds for each call."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


def account(run: Runtime) -> Account:
    users.create(run, "bench", None, "a password to measure with")
    client = clients.register(run, Wish(name="bench", grants=("password", "refresh_token")))
    assert isinstance(client, Registered)
    assert client.secret is not None
    return client.client.client_id, client.secret


def headers_of(client: Account) -> str:
    return "Basic " + b64encode(f"{client[0]}:{client[1]}".encode()).decode()


class Chain:
    """A session that is refreshed again and again."""

    def __init__(self, post: Post) -> None:
        self._post = post
        form = {"grant_type": "password", "username": "bench"}
        self._token = post({**form, "password": "a password to measure with"})["refresh_token"]

    def refresh(self) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": self._token}
        self._token = self._post(form)["refresh_token"]


def in_process(database_url: str, folder: Path, rounds: int) -> list[tuple[float, float]]:
    """(refresh, signature) CPU seconds, one pair for each round."""
    settings = Settings(
        issuer="https://id.example.com", database_url=database_url, keys_dir=folder / "keys"
    )
    app = create_app(settings)
    run = runtime(app)
    with app.app_context():
        flask_migrate.upgrade()
    run.ceremony().establish(run.now())
    authorization = headers_of(account(run))

    def post(form: dict[str, str]) -> dict[str, str]:
        body = urlencode(form).encode()
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/oauth/token",
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_AUTHORIZATION": authorization,
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
        }
        answer = b"".join(app.wsgi_app(environ, lambda *_: print))
        return dict(json.loads(answer))

    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        chain, sign = Chain(post), signature()
        cpu_of(chain.refresh, BATCH)
        return [(cpu_of(chain.refresh, BATCH), cpu_of(sign, BATCH)) for _ in range(rounds)]


def behind_gunicorn(folder: Path, rounds: int) -> list[tuple[float, float]]:
    """The same over HTTP: one worker, one connection, CPU of the server's processes."""
    port = 18_765
    environment = {
        "PATH": os.defpath,
        "PERENNIAL_ISSUER": "https://id.example.com",
        "PERENNIAL_DATABASE_URL": f"sqlite:///{folder / 'live.db'}",
        "PERENNIAL_KEYS_DIR": str(folder / "live-keys"),
    }
    command = [
        str(Path(sys.executable).with_name("perennial")),
        "serve",
        "--migrate",
        "--workers",
        "1",
    ]
    processors = sorted(os.sched_getaffinity(0))
    # Each keeps to a processor of its own, so that neither pays for being moved about.
    os.sched_setaffinity(0, processors[:1])
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--bind", f"127.0.0.1:{port}"], env=environment, stderr=log, stdout=log
        )
    os.sched_setaffinity(0, processors[-1:])
    try:
        return _load(port, server.pid, environment, rounds)
    finally:
        os.sched_setaffinity(0, processors)
        server.terminate()
        server.wait(timeout=40)


def _load(
    port: int, pid: int, environment: dict[str, str], rounds: int
) -> list[tuple[float, float]]:
    connection = _connect(port)
    settings = Settings(
        database_url=environment["PERENNIAL_DATABASE_URL"],
        keys_dir=Path(environment["PERENNIAL_KEYS_DIR"]),
    )
    authorization = headers_of(account(runtime(create_app(settings))))

    def post(form: dict[str, str]) -> dict[str, str]:
        headers = {
            "Authorization": authorization,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection.request("POST", "/oauth/token", urlencode(form), headers)
        return dict(json.loads(connection.getresponse().read()))

    chain, sign = Chain(post), signature()
    for _ in range(BATCH):
        chain.refresh()
    pairs = []
    for _ in range(rounds):
        before = _server_cpu(pid)
        for _ in range(BATCH):
            chain.refresh()
        pairs.append(((_server_cpu(pid) - before) / BATCH, cpu_of(sign, BATCH)))
    return pairs


def _connect(port: int) -> http.client.HTTPConnection:
    """Wait, bounded, until the server is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(150):
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            answer.read()
        except OSError:
            connection.close()
        else:
            if answer.status == http.client.OK:
                return connection
        time.sleep(0.1)
    raise SystemExit("the server did not become ready")


def _server_cpu(pid: int) -> float:
    """CPU seconds of a process and its children so far, all threads, to the nanosecond (Linux)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    threads = [
        thread
        for process in (str(pid), *children)
        for thread in Path(f"/proc/{process}/task").iterdir()
    ]
    spent = [(thread / "schedstat").read_text(encoding="ascii").split()[0] for thread in threads]
    return sum(map(int, spent)) / 1e9


def report(name: str, pairs: list[tuple[float, float]]) -> str:
    ratios = sorted(refresh / sign for refresh, sign in pairs)
    refresh_us = 1e6 * statistics.median(refresh for refresh, _ in pairs)
    sign_us = 1e6 * statistics.median(sign for _, sign in pairs)
    goal = GOALS.get(name.partition(",")[0])
    return (
        f"| {name} | {refresh_us:.0f} µs | {sign_us:.0f} µs | **{statistics.median(ratios):.2f}**"
        f" | {ratios[0]:.2f}-{ratios[-1]:.2f} | {'' if goal is None else f'at most {goal}'} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of 200 refreshes each")
    parser.add_argument("--database-url", help="measure this database in process as well")
    chosen = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, `make bench`\n")  # noqa: TID251
    print("| refresh | CPU | one signature | ratio, median | ratio, range | goal |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        url = f"sqlite:///{folder / 'bench.db'}"
        print(report("in process, SQLite", in_process(url, folder, chosen.rounds)))
        if chosen.database_url:
            pairs = in_process(chosen.database_url, folder / "other", chosen.rounds)
            print(report("in process, PostgreSQL (client side)", pairs))
        print(report("behind gunicorn, SQLite", behind_gunicorn(folder, chosen.rounds)))


if __name__ == "__main__":
    main()
