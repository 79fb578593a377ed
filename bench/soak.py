"""A million refreshes over a thousand sessions: what the database weighs at the end. `make soak`.

The refresh is the product's own use case, each with its signature and its statements; HTTP is left
out. The two databases are filled at the same time, by a process each. About fifteen minutes.
"""

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr
from multiprocessing import get_context
from pathlib import Path

import flask_migrate
from sqlalchemy import Engine, text

from app import create_app
from app.core.devices import UNSAID
from app.core.outcomes import Issued
from app.features.clients import use_case as clients
from app.features.clients.use_case import Registered, Wish
from app.features.users import use_case as users
from app.protocol import sign_in
from app.protocol.refresh import Request, refresh
from app.protocol.requested import Coverage
from app.services.runtime import Runtime, runtime
from app.settings import Settings
from app.store.users import User
from bench.figures import Figures, keep
from tests.servers import PostgreSQL

SESSIONS = 1_000
LARGEST = 2.0
"""How many times its first size a table may reach."""


def soak(name: str, url: str, folder: Path, refreshes: int) -> Figures:
    settings = Settings(issuer="https://id.example.com", database_url=url, keys_dir=folder / "keys")
    app = create_app(settings)
    run = runtime(app)
    began = time.monotonic()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        with app.app_context():
            flask_migrate.upgrade()
        run.ceremony().establish(run.now())
        client, tokens = begin(run)
        for turn in range(refreshes):
            which = turn % SESSIONS
            outcome = refresh(run, client.client, Request(tokens[which]))
            assert isinstance(outcome, Issued), outcome
            assert outcome.refresh_token is not None
            tokens[which] = outcome.refresh_token
            if turn == SESSIONS - 1:
                first = weight(run.transactions)
        last = weight(run.transactions)
    with run.rotations.connect() as connection:
        rows = int(connection.execute(text("SELECT count(*) FROM sessions")).scalar_one())
    if rows != SESSIONS or last > LARGEST * first:
        sys.exit(f"{name}: {rows} rows, {first} bytes grew to {last}")
    return {
        "proof": "a million refreshes",
        "variant": name,
        "refreshes": refreshes,
        "rows": rows,
        "bytes after the first 1,000": first,
        "bytes at the end": last,
        "ratio": round(last / first, 2),
        "seconds": round(time.monotonic() - began),
    }


def begin(run: Runtime) -> tuple[Registered, list[str]]:
    person = users.create(run, "soak", None, None)
    client = clients.register(run, Wish(name="soak", grants=("password", "refresh_token")))
    assert isinstance(person, User)
    assert isinstance(client, Registered)
    tokens = []
    for _ in range(SESSIONS):
        now = run.now()
        session = sign_in.draft(run, client.client, person, Coverage("", ()), now)
        issued = sign_in.tokens(run, client.client, session, now, "password")
        with run.transactions.begin() as connection:
            sign_in.store(connection, run, session, UNSAID)
        assert issued.refresh_token is not None
        tokens.append(issued.refresh_token)
    return client, tokens


def weight(engine: Engine) -> int:
    """Bytes of the session table with its indexes; on SQLite of the whole file."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            return int(pages * connection.execute(text("PRAGMA page_size")).scalar_one())
        size = text("SELECT pg_total_relation_size('sessions')")
        return int(connection.execute(size).scalar_one())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refreshes", type=int, default=1_000_000)
    chosen = parser.parse_args()
    postgresql = PostgreSQL()
    try:
        with (
            tempfile.TemporaryDirectory() as scratch,
            ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
        ):
            folder = Path(scratch)
            urls = {
                "SQLite": f"sqlite:///{folder / 'soak.db'}",
                "PostgreSQL": postgresql.create_database(),
            }
            running = [
                pool.submit(soak, name, url, folder / name, chosen.refreshes)
                for name, url in urls.items()
            ]
            figures = [each.result() for each in running]
    finally:
        postgresql.stop()
    for line in figures:
        print(line)
    if chosen.refreshes >= parser.get_default("refreshes"):
        keep("soak", ["make", "soak"], figures)


if __name__ == "__main__":
    main()
