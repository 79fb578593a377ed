"""A line between SQLAlchemy and its driver on which every call is counted and any may fail.

The connections and cursors are the drivers' own classes, subclassed: what fails here fails where
and as a driver fails, and SQLAlchemy and the product see nothing but that.
"""

import contextlib
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Engine, event


@dataclass(frozen=True)
class Fault:
    """`strike` is given the driver's connection: it raises, or harms the connection silently."""

    name: str
    strike: Callable[[Any], None]


@dataclass(frozen=True)
class Cut:
    """One fault, before or after the call of this number was carried out."""

    number: int
    after: bool
    fault: Fault


class Line:
    """What passes while a request is watched: a label for each call, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.struck = False
        self.before: Callable[[str], None] = lambda label: None
        self._cut: Cut | None = None
        self._watched = False

    def attach(self, *engines: Engine) -> None:
        for engine in engines:
            event.listen(engine, "do_connect", self._connect)

    @contextlib.contextmanager
    def watched(self, cut: Cut | None = None) -> Iterator[None]:
        self.calls, self.struck, self._cut, self._watched = [], False, cut, True
        try:
            yield
        finally:
            self._watched = False

    def carry(self, label: str, connection: Any, call: Callable[[], Any]) -> Any:
        if not self._watched:
            return call()
        self.before(label)
        number = len(self.calls)
        self.calls.append(label)
        cut = self._cut if self._cut is not None and self._cut.number == number else None
        if cut is not None and not cut.after:
            self._strike(cut.fault, connection)
        result = call()
        if cut is not None and cut.after:
            self._strike(cut.fault, connection)
        return result

    def _strike(self, fault: Fault, connection: Any) -> None:
        self.struck = True
        fault.strike(connection)

    def _connect(self, dialect: Any, _record: Any, args: Any, options: dict[str, Any]) -> Any:
        if dialect.name == "sqlite":
            made = self.carry(
                "connect", None, lambda: sqlite3.connect(*args, factory=FileConnection, **options)
            )
        else:
            made = self.carry(
                "connect",
                None,
                lambda: ServerConnection.connect(*args, cursor_factory=ServerCursor, **options),
            )
        made.line = self
        return made


def _named(statement: Any) -> str:
    return "execute " + " ".join(str(statement).split()[:2])


class FileCursor(sqlite3.Cursor):
    def execute(self, statement, *parameters):
        line, step = self.connection.line, super().execute
        return line.carry(_named(statement), self.connection, lambda: step(statement, *parameters))

    def fetchone(self):
        return self.connection.line.carry("fetchone", self.connection, super().fetchone)

    def fetchall(self):
        return self.connection.line.carry("fetchall", self.connection, super().fetchall)

    def close(self):
        return self.connection.line.carry("close cursor", self.connection, super().close)


class FileConnection(sqlite3.Connection):
    line = Line()

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._cursors: list[weakref.ref[sqlite3.Cursor]] = []

    def cursor(self):
        make = super().cursor
        made = self.line.carry("cursor", self, lambda: make(FileCursor))
        self._cursors.append(weakref.ref(made))
        return made

    def vanish(self):
        """Close it with its statements: one that is left unfinished would keep its lock."""
        for reference in self._cursors:
            if (cursor := reference()) is not None:
                sqlite3.Cursor.close(cursor)
        self.close()

    def commit(self):
        self.line.carry("commit", self, super().commit)

    def rollback(self):
        self.line.carry("rollback", self, super().rollback)


class ServerCursor(psycopg.Cursor):
    def execute(self, query, params=None, **options):
        line, step = self.connection.line, super().execute
        return line.carry(_named(query), self.connection, lambda: step(query, params, **options))

    def fetchone(self):
        return self.connection.line.carry("fetchone", self.connection, super().fetchone)

    def fetchall(self):
        return self.connection.line.carry("fetchall", self.connection, super().fetchall)

    def close(self):
        return self.connection.line.carry("close cursor", self.connection, super().close)


class ServerConnection(psycopg.Connection):
    line = Line()

    def __del__(self):
        """SQLAlchemy drops a connection that it could not prepare; the driver would warn of it."""
        self.close()

    def cursor(self, *args, **options):
        make = super().cursor
        return self.line.carry("cursor", self, lambda: make(*args, **options))

    def commit(self):
        self.line.carry("commit", self, super().commit)

    def rollback(self):
        self.line.carry("rollback", self, super().rollback)
