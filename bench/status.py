"""What status lists cost with ten million sessions: their size, and the work to make and read them.

A list is made as the server makes it, of random places. Reading is measured on one list whose
131,072 sessions are all in the database; ten million sessions are 77 of those.
"""

import argparse
import gzip
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import flask_migrate
from sqlalchemy import Engine, insert, text

from app import create_app
from app.core.binding import Binding
from app.core.clients import AuthMethod, Client
from app.core.keyring import Algorithm
from app.core.sessions import Channel
from app.core.status_list import SIZE, Pace, blank, claims, mark
from app.services.algorithms import new_private_key, public_jwk, signing
from app.services.runtime import runtime
from app.services.signer import Signer
from app.settings import Settings
from app.store import clients, status_lists, users
from app.store.sessions import SessionRow
from docs.generate import DOCS
from tests.servers import PostgreSQL

SESSIONS = 10_000_000
LISTS = -(-SESSIONS // SIZE)
SHARES = (0, 0.001, 0.01, 0.05, 0.2, 0.5)
NOW = 1_800_000_000_000
URI = "https://id.example.com/oauth/status/0123456789abcdef"
LIST = 1
BLOCK = 8_192
BEGIN, END = "<!-- status lists: begin -->\n", "<!-- status lists: end -->\n"


def cpu(work: Callable[[], object], rounds: int) -> float:
    """Median CPU milliseconds of a call."""
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        spent.append(1000 * (time.process_time() - began))
    return statistics.median(spent)


def elapsed(work: Callable[[], object], rounds: int) -> float:
    """Median milliseconds of a call: the work is another process's."""
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        spent.append(1000 * (time.perf_counter() - began))
    return statistics.median(spent)


def making(rounds: int) -> Iterator[str]:
    """One row for each share of sessions that have ended."""
    key, chance = new_private_key(), random.Random(1)  # a measurement
    signer = Signer(public_jwk(key)["kid"], Algorithm.RS256, signing(Algorithm.RS256, key))
    pace = Pace.of(60, 900)
    yield "| ended | list | with gzip | CPU to make one | all lists | with gzip | CPU to make all |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for share in SHARES:
        bits = blank()
        mark(bits, chance.sample(range(SIZE), round(share * SIZE)))
        fixed = bytes(bits)

        def make(fixed: bytes = fixed) -> tuple[str, bytes]:
            token = signer.sign(claims(URI, fixed, pace, NOW), "statuslist+jwt")
            return token, gzip.compress(token.encode(), 6)

        plain, zipped = (len(part) for part in make())
        spent = cpu(make, rounds)
        yield (
            f"| {share:.1%} | {plain / 1000:.1f} kB | {zipped / 1000:.1f} kB | {spent:.1f} ms"
            f" | {LISTS * plain / 1e6:.2f} MB | {LISTS * zipped / 1e6:.2f} MB"
            f" | {LISTS * spent / 1000:.2f} s |"
        )


def reading(name: str, url: str, folder: Path, rounds: int) -> Iterator[str]:
    """One row: a full list on this database, of which a twentieth has ended."""
    settings = Settings(database_url=url, keys_dir=folder / "keys")
    app = create_app(settings)
    run = runtime(app)
    with app.app_context():
        flask_migrate.upgrade()
    fill(run.transactions)
    ended = random.Random(2).sample(range(SIZE), SIZE // 20)  # a measurement
    with run.transactions.begin() as connection:
        rows = [{"index": index, "at": NOW + place} for place, index in enumerate(ended)]
        query = "UPDATE sessions SET revoked_at = :at WHERE status_list = 1 AND status_idx = :index"
        connection.execute(text(query), rows)
    with run.rotations.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("VACUUM ANALYZE sessions"))
        last = NOW + len(ended) - 10
        everything = elapsed(lambda: status_lists.ended(connection, LIST, 0), rounds)
        lately = elapsed(lambda: status_lists.ended(connection, LIST, last), rounds)
        allot = elapsed(lambda: status_lists.allot(connection, NOW), rounds)
    run.transactions.dispose()
    run.rotations.dispose()
    yield f"| {name} | {everything:.1f} ms | {lately:.2f} ms | {allot:.2f} ms |"


def fill(transactions: Engine) -> None:
    with transactions.begin() as connection:
        users.create(connection, {"id": "u", "username": "u", "created_at": NOW})
        methods = frozenset({AuthMethod.BASIC})
        clients.create(connection, Client(client_id="c", name="c", auth_methods=methods), NOW)
        connection.execute(
            text("INSERT INTO status_lists VALUES (:id, 1, :key, :full, :now)"),
            {"id": LIST, "key": b"k" * 32, "full": SIZE, "now": NOW},
        )
        for start in range(0, SIZE, BLOCK):
            rows = [row(index) for index in range(start, start + BLOCK)]
            connection.execute(insert(SessionRow), rows)


def row(index: int) -> dict[str, object]:
    times = dict.fromkeys(("rotated_at", "auth_time", "created_at", "last_seen_at"), NOW)
    ends = dict.fromkeys(("idle_expires_at", "expires_at", "purge_at"), 2 * NOW)
    names = {"public_id": f"{index:032x}", "client_id": "c", "user_id": "u", "scope": "read"}
    place = {"status_list": LIST, "status_idx": index}
    kind = {"binding": Binding.NONE, "channel": Channel.BODY, "remember_me": False, "resource": ""}
    numbers = {"secret_id": 1, "gen": 1, "idle_ttl": NOW, "user_epoch": 0}
    secrets = {"sid": index.to_bytes(16, "big"), "salt": b"s" * 32}
    return {**times, **ends, **names, **place, **kind, **numbers, **secrets}


@contextmanager
def postgresql_url() -> Iterator[str]:
    server = PostgreSQL()
    try:
        yield server.create_database()
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31, help="how often each thing is done")
    rounds = parser.parse_args().rounds
    when = f"{datetime.now(UTC):%Y-%m-%d}"  # noqa: TID251  # a measurement has a date
    lines = [f"{when}, Python {platform.python_version()}, `make status-bench`", ""]
    lines += [*making(rounds), ""]
    lines += [
        "| database | all of a list | what ended lately | a place |",
        "| --- | --- | --- | --- |",
    ]
    with tempfile.TemporaryDirectory() as scratch, postgresql_url() as url:
        folder = Path(scratch)
        lines += reading("SQLite", f"sqlite:///{folder / 'bench.db'}", folder, rounds)
        lines += reading("PostgreSQL", url, folder, rounds)
    page = DOCS / "performance.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    found = "\n".join(lines) + "\n"
    page.write_text(before + BEGIN + found + END + after, encoding="utf-8")
    print(found)


if __name__ == "__main__":
    main()
