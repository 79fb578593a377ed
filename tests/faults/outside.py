"""What a live server meets from outside: a disk without room, a log nobody reads, a held row."""

import contextlib
import fcntl
import os
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
from sqlalchemy import make_url, text

from tests.flows.caller import Account
from tests.flows.enrolment import beside
from tests.live import LiveServer
from tests.servers import wait_until

PIPE = 4096


@contextlib.contextmanager
def no_room(pids: list[int]) -> Iterator[None]:
    """These processes can lengthen or overwrite no file, as if every disk were full."""
    for pid in pids:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


class LogPipe:
    """A server's log as a pipe: full, it holds whoever writes the next line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        os.mkfifo(path)
        self._reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def fill(self) -> None:
        self.drain()
        fcntl.fcntl(self._reading, fcntl.F_SETPIPE_SZ, PIPE)
        writing = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b".")
        os.close(writing)

    def drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reading, 1 << 16):
                pass

    def close(self) -> None:
        os.close(self._reading)


@contextlib.contextmanager
def swap_held(server: LiveServer) -> Iterator[None]:
    """No session can be changed within the block."""
    url = make_url(server.env["PERENNIAL_DATABASE_URL"])
    if url.get_backend_name() == "sqlite":
        with contextlib.closing(sqlite3.connect(url.database, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            yield
            holder.execute("ROLLBACK")
        return
    with psycopg.connect(host=url.query["host"], user="postgres", dbname=url.database) as holder:
        holder.execute("SELECT * FROM sessions FOR UPDATE")
        yield
        holder.rollback()


def generation(server: LiveServer, account: Account) -> int:
    query = text("SELECT gen FROM sessions WHERE client_id = :id AND revoked_at IS NULL")
    with beside(server) as run, run.rotations.connect() as connection:
        return connection.execute(query, {"id": account.client_id}).scalar_one()


def asked(account: Account, **form: str) -> httpx.Response:
    return httpx.post(
        f"{account.url}/oauth/token", data=form, auth=account.basic, timeout=30, trust_env=False
    )


def refreshed(account: Account, token: str) -> httpx.Response:
    return asked(account, grant_type="refresh_token", refresh_token=token)


def asks_to_come_again(answer: httpx.Response) -> bool:
    body = answer.json()
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    return body["error"] == "temporarily_unavailable"


def new_worker(server: LiveServer, old: list[int]) -> None:
    wait_until(lambda: (now := server.worker_pids()) and not {*now} & {*old}, "a new worker")
