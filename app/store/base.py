"""The database handle, the declarative base and the two engines.

* *transactions*: `db.engine`. Multi-statement transactions and everything that must survive a
  power cut once it was answered. On SQLite they begin IMMEDIATE, so that none of them can fail
  half-way for a lock, and commit with `synchronous=FULL`.
* *rotations*: `db.engines["rotations"]`. Autocommitted single statements: reads, and the swap of
  a refresh, the one write that may be lost because the token itself can restore it (rule R8).
  `synchronous=NORMAL` on SQLite, `synchronous_commit=off` on PostgreSQL.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, Connection, Engine, LargeBinary, String, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry

ROTATIONS = "rotations"
BUSY_SECONDS = 5
POOL = {"pool_size": 10, "max_overflow": 10, "pool_timeout": BUSY_SECONDS, "hide_parameters": True}
# With every statement its own transaction a returned connection has nothing to roll back.
AUTOCOMMIT = {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}

Milliseconds = Annotated[int, mapped_column(BigInteger)]
"""A UTC point in time or a duration, in milliseconds."""
MaybeMilliseconds = Annotated[int | None, mapped_column(BigInteger)]
Sid = Annotated[bytes, mapped_column(LargeBinary(16))]
Id = Annotated[str, mapped_column(String(64))]


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


def engine_config(url: str) -> dict[str, Any]:
    """Flask-SQLAlchemy's settings for both engines; makes the SQLite file's directory."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable, relaxed = _sqlite_options(), _sqlite_options()
    else:
        durable, relaxed = _postgresql_options("on"), _postgresql_options("off")
    return {
        "SQLALCHEMY_DATABASE_URI": url,
        "SQLALCHEMY_ENGINE_OPTIONS": durable,
        "SQLALCHEMY_BINDS": {ROTATIONS: {"url": url, **AUTOCOMMIT, **relaxed}},
    }


def _sqlite_options() -> dict[str, Any]:
    return {"connect_args": {"timeout": BUSY_SECONDS}, **POOL}


def _postgresql_options(synchronous_commit: str) -> dict[str, Any]:
    milliseconds = BUSY_SECONDS * 1000
    server = {
        "synchronous_commit": synchronous_commit,
        "lock_timeout": milliseconds,
        "statement_timeout": 2 * milliseconds,
        "idle_in_transaction_session_timeout": 2 * milliseconds,
    }
    options = " ".join(f"-c {name}={value}" for name, value in server.items())
    return {
        "connect_args": {
            "options": options,
            "connect_timeout": BUSY_SECONDS,
            # Of several hosts in the URL the one that is no standby; a standby alone is an outage:
            # it may not know yet what was revoked.
            "target_session_attrs": "primary",
            "prepare_threshold": 1,
        },
        **POOL,
    }


def configure(transactions: Engine, rotations: Engine) -> None:
    """Attach what a URL cannot say. Call once per application, before the first connection."""
    if transactions.dialect.name != "sqlite":
        return
    for engine, synchronous in ((transactions, "FULL"), (rotations, "NORMAL")):
        _prepare_sqlite_connections(engine, synchronous)
    event.listen(transactions, "begin", _begin_immediate)


def _prepare_sqlite_connections(engine: Engine, synchronous: str) -> None:
    @event.listens_for(engine, "connect")
    def _(connection: Any, _entry: ConnectionPoolEntry) -> None:  # noqa: ANN401  # DBAPI object
        connection.isolation_level = None  # the driver must not open transactions by itself
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={synchronous}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()


def _begin_immediate(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def durable_statement(transactions: Engine) -> Iterator[Connection]:
    """A connection for one autocommitted statement that is on disk when it returns."""
    with transactions.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


CEREMONY_SECONDS = 60
_CEREMONY = 0x5052_4E01
"""Any number that nobody else locks in this database."""


@contextmanager
def advisory_lock(transactions: Engine) -> Iterator[None]:
    """One holder among all hosts; it ends with its holder. On SQLite there is one host only.

    Raises `OperationalError` when others hold it for longer than `CEREMONY_SECONDS`.
    """
    if transactions.dialect.name == "sqlite":
        yield
        return
    with durable_statement(transactions) as connection:
        for limit in ("lock_timeout", "statement_timeout"):
            connection.exec_driver_sql(f"SET {limit} = '{CEREMONY_SECONDS}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({_CEREMONY})")
        try:
            yield
        finally:
            # Closed, not given back: whatever happened, the lock and the limits end with it.
            connection.invalidate()


def database_now(connection: Connection) -> int:
    """The database host's clock, UTC milliseconds."""
    if connection.dialect.name == "sqlite":
        statement = text("SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)")
    else:
        statement = text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)")
    return int(connection.execute(statement).scalar_one())


def is_writable(connection: Connection) -> bool:
    """False on a standby, which must not serve: it is behind the truth and cannot be written."""
    if connection.dialect.name == "sqlite":
        return not connection.exec_driver_sql("PRAGMA query_only").scalar_one()
    return bool(connection.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "off")
