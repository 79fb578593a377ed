"""Reads back what telemetry wrote: the events of a log, one line at a time, whatever lies between.

A log comes from disks that were full and machines that were cut off: nothing in it is trusted to be
complete, and no line is held longer than it takes to read it.
"""

import dataclasses
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

from app.core.events import Event

LONGEST_LINE = 64 * 1024
"""Bytes. No event is as long; what is longer is skipped without being held."""

_WORD = re.compile(r"[!-~]{1,64}")
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Found:
    """An event, and when it was written down (UTC milliseconds)."""

    at: int
    event: Event


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A place that should tell of an event and does not; `at` is None when even that is lost."""

    place: str
    why: str
    at: int | None = None


class EventLog:
    """One log, read once from start to end; the counts are complete when that is done.

    `kinds` are the events that are looked for.
    """

    def __init__(self, name: str, file: IO[bytes], kinds: Iterable[type[Event]]) -> None:
        self.name = name
        self.lines = 0
        self.foreign = 0
        self.first: int | None = None
        self.last: int | None = None
        self._file = file
        self._kinds = {kind.name: kind for kind in kinds}
        names = "|".join(self._kinds).encode()
        self._torn = re.compile(rb'"event":\s*"(' + names + rb')"')

    def __iter__(self) -> Iterator[Found | Unreadable]:
        try:
            for line in _lines(self._plain()):
                self.lines += 1
                found = self._read(line)
                if found is not None:
                    yield found
        except (OSError, EOFError, zlib.error) as error:
            yield Unreadable(self.name, f"cannot be read to its end: {error}")

    def _plain(self) -> IO[bytes] | gzip.GzipFile:
        """Rotated logs are usually compressed."""
        return gzip.GzipFile(fileobj=self._file) if self.name.endswith(".gz") else self._file

    def _read(self, line: bytes) -> Found | Unreadable | None:
        members = _members(line)
        name = members.get("event")
        if not isinstance(name, str):
            self.foreign += 1
            torn = self._torn.search(line)
            return None if torn is None else self._broken(torn[1].decode(), "is no whole line")
        at = _moment(members.get("at"))
        if at is not None:
            self.first = at if self.first is None else min(self.first, at)
            self.last = at if self.last is None else max(self.last, at)
        kind = self._kinds.get(name)
        if kind is None:
            return None
        if at is None:
            return self._broken(name, "has no time")
        try:
            return Found(at, _recalled(kind, members))
        except ValueError as error:
            return self._broken(name, f"has no usable {error}", at)

    def _broken(self, name: str, why: str, at: int | None = None) -> Unreadable:
        return Unreadable(f"{self.name}:{self.lines}", f"{name} {why}", at)


def _lines(file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    """An over-long line is an empty one: a piece of it could look like a line of ours."""
    while line := file.readline(LONGEST_LINE):
        rest = line
        while len(rest) == LONGEST_LINE and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST_LINE)
        yield line if rest is line else b""


def _members(line: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _moment(text: object) -> int | None:
    """UTC milliseconds of an ISO 8601 time; None for anything else."""
    try:
        return milliseconds(datetime.fromisoformat(text))  # type: ignore[arg-type]  # or TypeError
    except (TypeError, ValueError):
        return None


def milliseconds(moment: datetime) -> int:
    """A time without an offset is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def _recalled(kind: type[Event], members: dict[str, Any]) -> Event:
    """The event that was written as these members. ValueError names the field that is wrong."""
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]  # every event is a dataclass
    values = {field.name: members.get(field.name) for field in fields}
    for field in fields:
        if not _fits(values[field.name], field.type):
            raise ValueError(field.name)
    return kind(**values)


def _fits(value: object, kind: object) -> bool:
    if isinstance(value, str):
        return kind is str and _WORD.fullmatch(value) is not None
    whole = isinstance(value, int) and not isinstance(value, bool)
    return kind is int and whole and 0 <= value <= _LARGEST  # type: ignore[operator]
