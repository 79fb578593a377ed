"""What the commands share: JSON or text on stdout, one line on stderr when something is refused."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from app.core.outcomes import Rejected

STARTTIME = 19  # field 22 of proc(5), counted after the name


def _started() -> int:
    """When this process was created, as the kernel knows it; elsewhere, when it got here."""
    now = time.time()  # noqa: TID251  # the start of a process is no rule's business
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks = int(fields[STARTTIME]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks
    except (OSError, AttributeError, ValueError):
        age = 0.0
    return int((now - age) * 1000)


CALLED_AT = _started()
"""UTC milliseconds; tells calls that overlap from calls that follow each other."""

Answer = TypeVar("Answer")
Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def show(payload: object, text: str, *, as_json: bool) -> None:
    click.echo(json.dumps(payload, indent=2) if as_json else text)


def refuse(message: str) -> NoReturn:
    """Exit with status 1 and one line on stderr."""
    raise click.ClickException(message)


def accepted(answer: Answer | Rejected) -> Answer:
    """What a use case came to, unless it was rejected: then exit with its line."""
    if isinstance(answer, Rejected):
        refuse(answer.why)
    return answer


def note(message: str) -> None:
    click.echo(message, err=True)


def when(moment: int) -> str:
    """UTC milliseconds as ISO 8601 to the second."""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="seconds")


def table(rows: list[dict[str, object]], columns: tuple[str, ...]) -> str:
    """Rows as aligned text, the column names first."""
    lines = [columns, *(tuple(_cell(row[name]) for name in columns) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def card(row: dict[str, object]) -> str:
    """One record, a line for each member."""
    return "\n".join(f"{name}: {_cell(value)}".rstrip() for name, value in row.items())


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
