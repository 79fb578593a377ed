"""What the processes of one client share: the current token of each session, in a SQLite file.

This is all that a client library has to do to survive crashes, lost answers and its own siblings.
The Idempotency-Key belongs to a token: it is made by compare-and-set when the token is about to be
sent, so that all processes send the same one, and goes with the write that saves the successor.
"""

import secrets
import sqlite3
from pathlib import Path
from typing import NamedTuple

PATIENCE = 60  # seconds that one process waits for the others' writes


class Held(NamedTuple):
    session: int
    token: str
    key: str


class Wallet:
    """Times are this machine's monotonic seconds; `due` is when a token may be presented."""

    def __init__(self, file: Path) -> None:
        self._database = database(file)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS wallet"
            " (session INTEGER PRIMARY KEY, token TEXT NOT NULL, key TEXT, due REAL NOT NULL)"
        )

    def add(self, session: int, token: str) -> None:
        self._database.execute("INSERT INTO wallet VALUES (?, ?, NULL, 0)", (session, token))

    def sessions(self) -> list[int]:
        """Those that nobody had to give up."""
        return [session for (session,) in self._database.execute("SELECT session FROM wallet")]

    def token(self, session: int) -> str:
        query = "SELECT token FROM wallet WHERE session = ?"
        return str(self._database.execute(query, (session,)).fetchone()[0])

    def take(self, now: float) -> Held | None:
        """Any session that is due, to refresh it."""
        query = "SELECT session FROM wallet WHERE due <= ? ORDER BY random() LIMIT 1"
        found = self._database.execute(query, (now,)).fetchone()
        return None if found is None else self.about_to_send(*found)

    def about_to_send(self, session: int) -> Held | None:
        """The token with its key; None when the session was given up meanwhile."""
        self._database.execute("BEGIN IMMEDIATE")
        with self._database:
            self._database.execute(
                "UPDATE wallet SET key = ? WHERE session = ? AND key IS NULL",
                (secrets.token_urlsafe(24), session),
            )
            query = "SELECT session, token, key FROM wallet WHERE session = ?"
            found = self._database.execute(query, (session,)).fetchone()
        return None if found is None else Held(*found)

    def save(self, held: Held, successor: str, now: float, due: float) -> None:
        """Only over the token that was presented: a sibling may have saved it, and gone on."""
        self._database.execute(
            "UPDATE wallet SET token = ?, key = NULL, due = ?"
            " WHERE session = ? AND token = ? AND due <= ?",
            (successor, due, held.session, held.token, now),
        )

    def lose_power(self, held: Held, until: float) -> None:
        """Of all who have this token nobody presents it or saves its successor for a while."""
        self._database.execute(
            "UPDATE wallet SET due = ? WHERE session = ? AND token = ?",
            (until, held.session, held.token),
        )

    def give_up(self, session: int) -> None:
        """The person has to sign in again."""
        self._database.execute("DELETE FROM wallet WHERE session = ?", (session,))


def database(file: Path) -> sqlite3.Connection:
    """Autocommit; what was written survives the death of any process, if not a power cut."""
    connection = sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    return connection
