"""The log: one JSON object a line, with the request's id, and never anything token-shaped."""

import errno
import io
import json
import logging
import logging.config
from datetime import datetime

import pytest

from app.core.events import ReuseDetected, SessionEnded, SignInRefused
from app.core.keyring import Algorithm
from app.services.algorithms import new_private_key, signing
from app.services.signer import Signer
from app.services.telemetry import Telemetry, library_logging, request_id

REFRESH = "prn_rt_" + "aZ0" * 21 + "x"
SECRET = "prn_cs_" + "a-_Z" * 10
ACCESS = Signer("kid", Algorithm.RS256, signing(Algorithm.RS256, new_private_key())).sign(
    {"sub": "alice"}
)
TOKENS = {"refresh": REFRESH, "client secret": SECRET, "access": ACCESS}


@pytest.fixture
def lines(capsys):
    """What was written to stderr so far, parsed; nothing may go to stdout."""

    def read() -> list[dict[str, object]]:
        written = capsys.readouterr()
        assert written.out == ""
        return [json.loads(line) for line in written.err.splitlines()]

    return read


@pytest.fixture
def named():
    token = request_id.set("a-request-of-ours")
    yield
    request_id.reset(token)


def raised(error: Exception) -> Exception:
    """The error with a trace, as an exception handler gets it."""
    try:
        raise error
    except type(error) as caught:
        return caught


def test_an_event_is_one_line_with_its_facts_and_the_request(lines, named):
    Telemetry("json").publish(
        [
            ReuseDetected(session="s", client="c", user="u", behind_by=3),
            SessionEnded(session="s", client="c", user="u", why="token_reused"),
        ]
    )
    first, second = lines()
    at = datetime.fromisoformat(first.pop("at"))
    assert at.utcoffset().total_seconds() == 0
    assert first == {
        "event": "reuse_detected",
        "level": "critical",
        "request_id": "a-request-of-ours",
        "session": "s",
        "client": "c",
        "user": "u",
        "behind_by": 3,
    }
    assert (second["event"], second["level"]) == ("session_ended", "info")


def test_an_answer_is_one_line(lines, named):
    Telemetry("json").access("POST", "/oauth/token", 200, 12.345, "192.0.2.1")
    (line,) = lines()
    del line["at"]
    assert line == {
        "event": "access",
        "level": "info",
        "request_id": "a-request-of-ours",
        "method": "POST",
        "path": "/oauth/token",
        "status": 200,
        "ms": 12.3,
        "address": "192.0.2.1",
    }


def test_a_line_stays_one_line_whatever_is_in_it(lines):
    nasty = 'a\nb\r\n"c"\t\x1b[31m\u2028\ud800é{"event":"forged"}'
    Telemetry("json").publish([SignInRefused(client=nasty, user="", why=nasty)])
    (line,) = lines()
    assert line["client"] == nasty


@pytest.mark.clause("rfc6749-10.3-01", "rfc6749-10.4-01")
@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_nothing_token_shaped_leaves_whoever_put_it_there(capsys, token):
    for form in ("json", "console"):
        telemetry = Telemetry(form)
        telemetry.publish([SignInRefused(client=token, user=f"<{token}>", why=f"x={token}&y=1")])
        telemetry.access("GET", f"/oauth/token/{token}", 404, 1.0, "192.0.2.1")
        telemetry.failure("unhandled", raised(ValueError(f"cannot read {token}")))
        written = capsys.readouterr().err
        assert token not in written
        assert token[8:] not in written
        assert written.count("[redacted]") >= 5


def test_what_surrounds_a_token_stays_readable(lines):
    Telemetry("json").publish([SignInRefused(client="c", user="", why=f"a={REFRESH}&b={ACCESS}.")])
    (line,) = lines()
    assert line["why"].startswith("a=[redacted]&b=[redacted]")


def test_a_failure_is_one_line_with_its_trace_and_the_request(lines, named):
    Telemetry("json").failure("unhandled", raised(ZeroDivisionError("at the worst moment")))
    (line,) = lines()
    assert line["event"] == "unhandled"
    assert line["request_id"] == "a-request-of-ours"
    assert "ZeroDivisionError: at the worst moment" in line["exception"]
    assert "Traceback" in line["exception"]


def test_a_failure_has_a_level_like_every_other_line(lines):
    Telemetry("json").failure("unhandled", ValueError("x"))
    (line,) = lines()
    assert line["level"] in {"error", "critical"}


# --- lines of libraries ---------------------------------------------------------------------------


def logged(form, message, *arguments, error=None) -> str:
    """What the configured handler writes for a line of gunicorn."""
    config = library_logging(form)
    configurator = logging.config.DictConfigurator(config)
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(configurator.configure_formatter(config["formatters"]["line"]))
    for name in config["handlers"]["stderr"]["filters"]:
        handler.addFilter(configurator.configure_filter(config["filters"][name]))
    trace = error and (type(error), error, error.__traceback__)
    record = logging.LogRecord(
        "gunicorn.error", logging.ERROR, __file__, 1, message, arguments, trace
    )
    handler.handle(record)
    return written.getvalue()


def test_lines_of_libraries_have_the_form_of_ours():
    line = json.loads(logged("json", "worker %s\nexited", 7))
    assert datetime.fromisoformat(line.pop("at")).utcoffset().total_seconds() == 0
    assert line == {"event": "gunicorn.error", "level": "error", "message": "worker 7\nexited"}


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_libraries_log_no_token_either(token, form):
    text = logged(form, "bad %s", token, error=raised(ValueError(token)))
    assert token not in text
    assert "bad [redacted]" in text
    assert "ValueError: [redacted]" in text


def test_a_trace_of_a_library_stays_within_its_line():
    text = logged("json", "bad", error=raised(ValueError("a\nb")))
    assert text.count("\n") == 1
    assert json.loads(text)["exception"].endswith("ValueError: a\nb")


def test_debug_lines_of_authlib_are_off_because_they_contain_tokens():
    for form in ("json", "console"):
        assert library_logging(form)["loggers"]["authlib"]["level"] == "INFO"


# --- through the application ----------------------------------------------------------------------


def test_every_line_of_a_request_carries_the_id_that_its_answer_names(site, lines):
    site.user()
    client = site.client()
    lines()
    answer = site.token(client, grant_type="password", username="alice", password="wrong")
    written = lines()
    assert [line["event"] for line in written] == ["sign_in_refused", "access"]
    assert {line["request_id"] for line in written} == {answer.headers["X-Request-ID"]}


def test_requests_have_ids_of_their_own(site, lines):
    ids = {site.http.get("/healthz").headers["X-Request-ID"] for _ in range(20)}
    assert len(ids) == 20
    assert {line["request_id"] for line in lines()} == ids


@pytest.mark.clause("rfc6749-10.3-01", "rfc6749-10.4-01", "rfc6749-10.8-01")
def test_no_journey_writes_a_secret_into_the_log(site, capsys):
    site.user()
    client = site.client()
    first = site.sign_in(client)
    second = site.refresh(client, first["refresh_token"]).json
    site.introspect(client, second["access_token"])
    path = f"/oauth/{second['refresh_token']}?token={second['access_token']}"
    assert site.http.get(path).status_code == 404
    site.clock.advance(seconds=600)
    assert site.refresh(client, first["refresh_token"]).status_code == 400
    site.revoke(client, second["refresh_token"])
    written = capsys.readouterr().err
    assert "reuse_detected" in written
    for answer in (first, second):
        for name in ("access_token", "refresh_token"):
            assert answer[name] not in written
    assert client.secret not in written
    assert "correct horse" not in written


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), ValueError("closed file")])
def test_what_cannot_be_written_is_lost_without_a_word(monkeypatch, error):
    """The answer it tells of may be committed: an exception would turn it into none."""

    class Full(io.StringIO):
        def flush(self):
            raise error

    monkeypatch.setattr("sys.stderr", Full())
    Telemetry("json").access("POST", "/oauth/token", 200, 1.0, "127.0.0.1")
