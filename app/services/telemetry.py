"""The only place that turns events into log lines: one line each on stderr, JSON or readable."""

import contextlib
import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Literal

from structlog.dev import ConsoleRenderer
from structlog.processors import TimeStamper

from app.core.events import Event, Level

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request being served; set by the protocol layer, sent in every line."""

_TOKENS = re.compile(r"prn_[a-z]{2}_[0-9A-Za-z_-]+|eyJ[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
_ENCODER = json.JSONEncoder(default=str)

Line = dict[str, object]


class Telemetry:
    """Publishes events and access lines. `log_format` is `json` or `console`."""

    def __init__(self, log_format: Literal["json", "console"]) -> None:
        key = "at" if log_format == "json" else "timestamp"
        self._stamp = TimeStamper(fmt="iso", utc=True, key=key)
        self._render = _ENCODER.encode if log_format == "json" else _readable

    def publish(self, events: Iterable[Event]) -> None:
        for event in events:
            self._write(event.name, event.level, _fields(event))

    def access(
        self, method: str, path: str, status: int, milliseconds: float, address: str
    ) -> None:
        """One line for each answer; the path never includes a query, which may hold secrets."""
        line: Line = {
            "method": method,
            "path": path,
            "status": status,
            "ms": round(milliseconds, 1),
            "address": address,
        }
        self._write("access", Level.INFO, line)

    def failure(self, what: str, error: BaseException) -> None:
        """A bug: the trace is logged, the wire gets a request id."""
        trace = "".join(traceback.format_exception(error))
        self._write(what, Level.ERROR, {"exception": trace})

    def _write(self, name: str, level: Level, fields: Line) -> None:
        """When, how grave and what come first, for those who read with their eyes."""
        line: Line = dict(self._stamp(None, "", {}))
        line |= {"level": level.value, "event": name, "request_id": request_id.get(), **fields}
        text = self._render(_redacted(line)) + "\n"
        # A full disk, a reader that is gone, a closed stream: the line is lost, the answer is not.
        # By now a refresh may be committed; an answer withheld would cost its owner the session.
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()


def _fields(event: Event) -> Line:
    names: tuple[str, ...] = tuple(event.__slots__)
    return {name: getattr(event, name) for name in names}


def _readable(line: Line) -> str:
    return str(_CONSOLE(None, "", line))


_CONSOLE = ConsoleRenderer(colors=False)


def _redacted(line: Line) -> Line:
    """A last net: nothing token-shaped leaves, whoever put it there."""
    for name, value in line.items():
        if isinstance(value, str) and ("prn_" in value or "eyJ" in value):
            line[name] = _TOKENS.sub("[redacted]", value)
    return line


_QUOTED = re.compile(r"""(["']).*\1""", re.DOTALL)


def without_input(record: logging.LogRecord) -> bool:
    """A logging filter: what gunicorn could not parse is not quoted, for it may hold a password."""
    message = record.getMessage()
    if message.startswith("Invalid request"):
        message = _QUOTED.sub("[withheld]", message)
    record.msg, record.args = _TOKENS.sub("[redacted]", message), None
    if record.exc_info:
        trace = logging.Formatter().formatException(record.exc_info)
        record.exc_text = _TOKENS.sub("[redacted]", trace)
    return True


class LibraryFormatter(logging.Formatter):
    """Lines of libraries (gunicorn above all) in the form of ours."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + "Z",
            "event": record.name,
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_text:
            line["exception"] = record.exc_text
        return json.dumps(line)

    @staticmethod
    def converter(seconds: float | None) -> Any:  # noqa: ANN401  # logging's own signature
        return logging.time.gmtime(seconds)  # type: ignore[attr-defined]


def library_logging(log_format: Literal["json", "console"]) -> dict[str, Any]:
    """A logging configuration for gunicorn and everything below it.

    Authlib stays at INFO: its DEBUG lines contain tokens.
    """
    formatter: dict[str, Any] = {"()": "app.services.telemetry.LibraryFormatter"}
    if log_format == "console":
        formatter = {"format": "%(asctime)s [%(levelname)s] %(name)s: %(message)s"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "filters": {"without_input": {"()": lambda: without_input}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["without_input"],
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
            "authlib": {"level": "INFO"},
        },
    }
