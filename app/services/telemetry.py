"""The only place that turns events into log lines: one line each on stderr, JSON or readable."""

import dataclasses
import json
import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from contextvars import ContextVar
from typing import Any, Literal

import structlog
from structlog.typing import Processor

from app.core.events import Event

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request being served; set by the protocol layer, sent in every line."""

_TOKENS = re.compile(r"prn_[a-z]{2}_[0-9A-Za-z_-]+|eyJ[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)


_ENCODER = json.JSONEncoder(default=str)


class Telemetry:
    """Publishes events and access lines. `log_format` is `json` or `console`."""

    def __init__(self, log_format: Literal["json", "console"]) -> None:
        self._log = structlog.wrap_logger(
            _Stderr(), processors=_processors(log_format), wrapper_class=structlog.BoundLogger
        ).bind()

    def publish(self, events: Iterable[Event]) -> None:
        for event in events:
            self._write(event.name, event.level, _fields(event))

    def access(
        self, method: str, path: str, status: int, milliseconds: float, address: str
    ) -> None:
        """One line for each answer; the path never includes a query, which may hold secrets."""
        line = {
            "method": method,
            "path": path,
            "status": status,
            "ms": round(milliseconds, 1),
            "address": address,
        }
        self._write("access", "info", line)

    def failure(self, what: str, error: BaseException) -> None:
        """A bug: the trace is logged, the wire gets a request id."""
        self._log.error(what, level="error", exc_info=error, request_id=request_id.get())

    def _write(self, name: str, level: str, fields: dict[str, object]) -> None:
        self._log.msg(name, level=level, request_id=request_id.get(), **fields)


def _fields(event: Event) -> dict[str, object]:
    return {
        field.name: getattr(event, field.name)
        for field in dataclasses.fields(event)  # type: ignore[arg-type]  # every event is one
    }


def _encode(line: object, **_: object) -> str:
    return _ENCODER.encode(line)


class _Stderr:
    """Writes to whatever stderr is at the moment, whole lines only."""

    def msg(self, message: str) -> None:
        sys.stderr.write(message + "\n")
        sys.stderr.flush()

    error = msg


def _processors(log_format: Literal["json", "console"]) -> list[Processor]:
    key = "at" if log_format == "json" else "timestamp"
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key=key)
    trace = structlog.processors.format_exc_info
    if log_format == "json":
        dumps = structlog.processors.JSONRenderer(serializer=_encode)
        return [stamp, trace, _redact, _in_order, dumps]
    return [stamp, trace, _redact, structlog.dev.ConsoleRenderer(colors=False)]


def _redact(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A last net: nothing token-shaped leaves, whoever put it there."""
    for name, value in line.items():
        if isinstance(value, str) and ("prn_" in value or "eyJ" in value):
            line[name] = _TOKENS.sub("[redacted]", value)
    return line


def _in_order(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """When, how grave and what come first, for those who read with their eyes."""
    first = {name: line.pop(name) for name in ("at", "level", "event")}
    return {**first, **line}


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
