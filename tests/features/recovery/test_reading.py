"""What `perennial db restored` reads: which calls, which logs and which lines of them."""

import gzip
import json

import pytest

from app.core.events import SessionEnded
from tests.features.recovery.conftest import written
from tests.site import STARTED

ISO = "2027-01-15T08:00:00"  # STARTED


@pytest.fixture
def sign_in(restored):
    """Makes a session and answers its id."""
    client = restored.site.client()

    def make() -> str:
        token = restored.site.sign_in(client)["access_token"]
        return restored.site.introspect(client, token)["sid"]

    return make


@pytest.fixture
def sid(sign_in) -> str:
    return sign_in()


def ended(restored) -> list[bool]:
    """Of each session in the order of their beginnings."""
    return [reason is not None for reason in restored.sessions().values()]


def revoked(sid: str, at: int = STARTED) -> str:
    return written(SessionEnded(sid, "c", "u", "revoked_by_client"), at)


@pytest.mark.parametrize(
    "since", [ISO, ISO + "Z", "2027-01-15T09:00:00+01:00", "20270115T080000Z", "1800000000.0"]
)
def test_a_time_is_iso_8601_or_epoch_seconds_and_utc_without_an_offset(restored, since):
    assert restored.apply("", since)["since"] == STARTED // 1000


@pytest.mark.parametrize(("early", "counts"), [(0, True), (60_000, True), (60_001, False)])
def test_what_was_written_a_minute_before_the_time_counts_and_nothing_earlier(
    restored, sid, early, counts
):
    report = restored.apply(revoked(sid, STARTED - early), ISO)
    assert report["sessions"]["applied"] == counts
    assert ended(restored) == [counts]


def test_what_is_broken_but_older_than_the_time_is_no_failure(restored, sid):
    old = written(SessionEnded("", "c", "u", "w"), STARTED - 120_000)
    assert restored.apply(old, ISO)["problem_count"] == 0


@pytest.mark.parametrize(
    "since", ["", "yesterday", "2027-13-01", "1800000000000", "-5", "1e9", "2999-01-01", "nan"]
)
def test_a_time_that_is_none_or_has_not_come_is_a_wrong_call(restored, since):
    log = restored.log("")
    said = restored.perennial.refused("db", "restored", "--since", since, "--log", log, status=2)
    assert "--since" in said


@pytest.mark.parametrize(
    "args",
    [
        ["--since", "0"],
        ["--log", "-"],
        ["--since", "0", "--log", "missing.log"],
        ["--since", "0", "--log", "."],
    ],
)
def test_a_wrong_call_is_refused(restored, args):
    restored.perennial.refused("db", "restored", *args, status=2)


def test_several_logs_are_read_also_compressed_ones_and_standard_input(restored, sign_in, tmp_path):
    lines = [revoked(sign_in()) for _ in range(3)]
    (tmp_path / "old.log.gz").write_bytes(gzip.compress(lines[1].encode()))
    logs = (restored.log(lines[0]), str(tmp_path / "old.log.gz"), "-")
    options = [part for log in logs for part in ("--log", log)]
    report = restored.perennial.json("db", "restored", "--since", "0", *options, input=lines[2])
    assert (report["sessions"]["applied"], report["lines"]) == (3, 3)
    assert all(ended(restored))


# --- failures -------------------------------------------------------------------------------------


def test_what_cannot_be_read_is_a_failure_and_the_rest_is_applied(restored, sid, tmp_path):
    good = revoked(sid)
    torn = good[: len(good) // 2 + 20]
    log = restored.log(f"{good[:30]}\nnoise\n{good.replace(sid, '')}{good}{torn}")
    (tmp_path / "old.gz").write_bytes(gzip.compress(good.encode() * 9)[:-12])
    call = ("db", "restored", "--since", "0", "--log", log, "--log", str(tmp_path / "old.gz"))
    result = restored.perennial(*call, "--json")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "Error: 3 endings could not be read or applied"
    report = json.loads(result.stdout)
    assert report["problem_count"] == 3
    assert report["problems"][:2] == [
        f"{log}:3: session_ended has no usable session",
        f"{log}:5: session_ended is no whole line",
    ]
    assert report["sessions"]["applied"] == 1
    assert (report["foreign_lines"], ended(restored)) == (3, [True])


def test_a_log_that_is_broken_all_over_is_counted_and_told_in_part(restored):
    broken = written(SessionEnded("", "c", "u", "w"), STARTED) * 1000
    result = restored.perennial("db", "restored", "--since", "0", "--log", restored.log(broken))
    assert result.exit_code == 1
    assert "1000 endings" in result.stderr
    assert result.stdout.count("no usable session") == 20


@pytest.mark.parametrize("text", ["[info] session_ended client=c\n" * 3, "GET / 200\n"])
def test_a_log_of_another_form_is_a_failure(restored, text):
    log = restored.log(text)
    result = restored.perennial("db", "restored", "--since", "0", "--log", log)
    assert result.exit_code == 1
    assert f"{log}: no line of it is a JSON line of Perennial's" in result.stdout


def test_an_empty_log_is_none(restored):
    assert restored.apply("")["first_at"] is None


def test_a_log_that_begins_too_late_is_warned_about(restored, sid):
    log = restored.log(revoked(sid))
    call = ("db", "restored", "--log", log, "--since")
    late = restored.perennial(*call, "2027-01-15T07:59:59")
    assert late.exit_code == 0
    assert "warning: the log begins at 2027-01-15T08:00:00+00:00" in late.stderr
    assert "warning" not in restored.perennial(*call, ISO).stderr
