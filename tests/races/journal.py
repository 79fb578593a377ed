"""What happened in a storm: every attempt and every answer, written down by whoever lives on."""

import time
from pathlib import Path
from typing import NamedTuple

from app.core.refresh_token import parse
from tests.flows.caller import Answer
from tests.races.wallet import Held, database

SCHEMA = """
CREATE TABLE IF NOT EXISTS attempts (number INTEGER PRIMARY KEY, session INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
    attempt INTEGER NOT NULL, at REAL NOT NULL, status INTEGER NOT NULL, reason TEXT, token TEXT,
    generation INTEGER
);
"""
SERVED = "FROM answers WHERE status = 200"


class Refusal(NamedTuple):
    session: int
    at: float
    status: int
    reason: str | None


class Journal:
    def __init__(self, file: Path) -> None:
        self._database = database(file)
        self._database.executescript(SCHEMA)

    def begin(self, held: Held) -> int:
        """The number of this attempt, from 1 on; nobody else gets it."""
        insert = "INSERT INTO attempts (session) VALUES (?)"
        number = self._database.execute(insert, (held.session,)).lastrowid
        assert number is not None
        return number

    def note(self, attempt: int, answer: Answer) -> None:
        token = answer.body.get("refresh_token")
        parsed = None if token is None else parse(token)
        generation = None if parsed is None else parsed.generation
        facts = (attempt, time.monotonic(), *_gist(answer), token, generation)
        self._database.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)", facts)

    def attempts(self) -> int:
        return self._count("SELECT count(*) FROM attempts")

    def served(self) -> int:
        return self._count(f"SELECT count(*) {SERVED}")

    def busy(self) -> int:
        return self._count("SELECT count(*) FROM answers WHERE status = 503")

    def shared(self) -> int:
        """How many of those answers gave a token that somebody else had been given before."""
        return self.served() - self._count(f"SELECT count(DISTINCT token) {SERVED}")

    def forks(self) -> int:
        """Generations of a session with more than one token."""
        return self._count(
            "SELECT count(*) FROM (SELECT 1 FROM answers JOIN attempts ON attempt = number"
            " WHERE status = 200 GROUP BY session, generation HAVING count(DISTINCT token) > 1)"
        )

    def refusals(self) -> list[Refusal]:
        """Every answer but success and the request to come again."""
        query = (
            "SELECT session, at, status, reason FROM answers JOIN attempts ON attempt = number"
            " WHERE status NOT IN (200, 503)"
        )
        return [Refusal(*row) for row in self._database.execute(query)]

    def _count(self, query: str) -> int:
        return int(self._database.execute(query).fetchone()[0])


def _gist(answer: Answer) -> tuple[int, str | None]:
    return answer.status, answer.body.get("reason", answer.body.get("error"))
