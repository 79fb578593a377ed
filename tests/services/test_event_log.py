"""What is read back from a log: the events that were written, and nothing that only looks so."""

import gzip
import io
import json
import tracemalloc

import pytest

from app.core.events import (
    AccessTokenDenied,
    ReuseDetected,
    SessionEnded,
    SignedIn,
    UserSessionsEnded,
)
from app.services.event_log import LONGEST_LINE, EventLog, Found, Unreadable
from app.services.telemetry import Telemetry

KINDS = (SessionEnded, ReuseDetected, UserSessionsEnded, AccessTokenDenied)
ENDED = SessionEnded(session="s1", client="c1", user="u1", why="revoked_by_client")
AT = 1_800_000_000_000
ISO = "2027-01-15T08:00:00Z"
LINE = {"at": ISO, "event": "session_ended", "session": "s", "client": "c", "user": "u", "why": "w"}
FOUND = Found(AT, SessionEnded("s", "c", "u", "w"))


def read(*lines: bytes | str, name="server.log"):
    content = b"".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    log = EventLog(name, io.BytesIO(content), KINDS)
    return log, list(log)


def text(**changes) -> str:
    """A line of ours; a member that is None is left out."""
    members = {**LINE, **changes}
    return json.dumps({name: each for name, each in members.items() if each is not None}) + "\n"


@pytest.mark.parametrize(
    "event",
    [
        ENDED,
        ReuseDetected(session="s1", client="c1", user="u1", behind_by=3),
        UserSessionsEnded(user="u1", why="user_disabled", ended_at=AT),
        AccessTokenDenied(client="c1", jti="j1", expires_at=AT),
    ],
)
def test_an_event_comes_back_as_it_was_published(capsys, event):
    Telemetry("json").publish([SignedIn("s", "c", "u", "password"), event])
    log, found = read(capsys.readouterr().err)
    assert [entry.event for entry in found] == [event]
    assert (log.lines, log.foreign) == (2, 0)


def test_what_is_no_line_of_ours_is_counted_and_passed_over():
    strange = (
        b"\n",
        b"plain text\n",
        b"\xff\xfe\0\n",
        b"[1]\n",
        b'"event"\n',
        b"{}\n",
        b"1" * 9999,
    )
    log, found = read(text(), *strange, b"\n", b"[" * 60_000, b"\n", text(event=7), text())
    assert found == [FOUND, FOUND]
    assert (log.lines, log.foreign) == (11, 9)


def test_other_events_and_answers_are_ours_and_are_passed_over():
    log, found = read(text(event="signed_in"), text(event="access", session=None), text(event="x"))
    assert (found, log.lines, log.foreign) == ([], 3, 0)


@pytest.mark.parametrize(
    "written",
    [ISO, "2027-01-15T08:00:00+00:00", "2027-01-15T09:00:00.000000+01:00", "2027-01-15T08:00:00"],
)
def test_a_time_is_understood_in_every_spelling_and_is_utc_without_an_offset(written):
    log, found = read(text(at=written))
    assert found == [FOUND]
    assert (log.first, log.last) == (AT, AT)


def test_a_log_says_from_when_to_when_it_speaks_whatever_the_order():
    times = ("2027-01-15T08:00:01Z", "2027-01-15T08:00:00Z", "2027-01-15T08:00:02Z")
    log, _ = read(*(text(at=time, event="access") for time in times))
    assert (log.first, log.last) == (AT, AT + 2000)


@pytest.mark.parametrize("at", [None, "", "yesterday", 7, [], "2027-13-01"])
def test_an_event_without_a_time_is_reported(at):
    _, found = read(text(), text(at=at))
    assert found == [FOUND, Unreadable("server.log:2", "session_ended has no time")]


@pytest.mark.parametrize(
    "session", [None, "", 7, True, [], {}, "a b", "a\0", "ü", "x" * 65, "\n", "\ud800"]
)
def test_an_event_that_names_nothing_usable_is_reported_with_its_place(session):
    _, found = read("\n", text(session=session))
    assert found == [Unreadable("server.log:2", "session_ended has no usable session", AT)]


@pytest.mark.parametrize("moment", [None, "7", 1.5, -1, True, 2**63, 10**400])
def test_a_moment_that_is_no_whole_number_is_reported(moment):
    line = json.dumps({"at": ISO, "event": "user_sessions_ended", "user": "u", "why": "w"})
    _, found = read(line[:-1] + f', "ended_at": {json.dumps(moment)}}}\n')
    (entry,) = found
    assert isinstance(entry, Unreadable), entry


@pytest.mark.parametrize("length", [len(text()) - 3, text().index('"client"') + 3])
def test_an_event_that_was_cut_off_is_reported(length):
    _, found = read(text(), text()[:length])
    assert found == [FOUND, Unreadable("server.log:2", "session_ended is no whole line")]


def test_a_line_that_was_cut_off_before_its_name_is_passed_over():
    log, found = read(text(), text()[:40])
    assert (found, log.lines, log.foreign) == ([FOUND], 2, 1)


def test_a_piece_of_an_over_long_line_is_no_line():
    piece = text().strip().ljust(LONGEST_LINE)
    log, found = read("x" * LONGEST_LINE, piece, piece, "\n", text())
    assert (found, log.lines, log.foreign) == ([FOUND], 2, 1)
    assert read(piece[:-1] + "\n")[1] == [FOUND], "it would have been one"


class Endless(io.RawIOBase):
    """So many bytes of a log, made as they are read."""

    def __init__(self, line: bytes, size: int) -> None:
        self._line, self._left = line, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = min(len(buffer), len(self._line), self._left)
        buffer[:count] = self._line[:count]
        self._left -= count
        return count


@pytest.mark.parametrize("line", [text(event="access").encode(), b"x" * 8192])
def test_a_log_of_any_size_takes_no_more_memory_than_a_line(line):
    log = EventLog("-", io.BufferedReader(Endless(line, 4_000_000)), KINDS)
    tracemalloc.start()
    assert list(log) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * LONGEST_LINE
    assert log.lines >= 1


def test_a_compressed_log_is_read():
    content = gzip.compress(text().encode() * 3)
    assert read(content, name="server.log.1.gz")[1] == [FOUND] * 3


@pytest.mark.parametrize("damage", ["cut off", "not compressed", "overwritten"])
def test_a_compressed_log_that_is_damaged_is_reported(damage):
    content = gzip.compress(b"".join(text(session=f"{n:x}").encode() for n in range(20_000)))
    middle = len(content) // 2
    damaged = {
        "cut off": content[:middle],
        "not compressed": text().encode(),
        "overwritten": content[:middle] + b"\0" * 64 + content[middle + 64 :],
    }[damage]
    *_, last = read(damaged, name="old.gz")[1]
    assert last.place == "old.gz"
    assert last.why.startswith("cannot be read to its end: ")
