"""The command `perennial db restored`."""

import re
from datetime import UTC, datetime
from typing import IO

import click

from app.core.sessions import whole_seconds
from app.features.recovery import use_case
from app.features.recovery.use_case import Effect, Kind, Report
from app.protocol.commands import json_option, note, refuse, show, table
from app.services.event_log import EventLog, milliseconds
from app.services.runtime import runtime

EPOCH_SECONDS = re.compile(r"[0-9]{1,11}(\.[0-9]+)?")


class Time(click.ParamType[int]):
    """UTC milliseconds."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        text = str(value)
        try:
            if EPOCH_SECONDS.fullmatch(text):
                return round(float(text) * 1000)
            return milliseconds(datetime.fromisoformat(text))
        except ValueError:
            self.fail("expected ISO 8601 (UTC without an offset) or epoch seconds", param, ctx)


@click.command()
@click.option(
    "--since",
    type=Time(),
    required=True,
    help="When the copy was made: 2026-11-21T03:30:00Z or epoch seconds.",
)
@click.option(
    "--log",
    "files",
    type=click.File("rb"),
    multiple=True,
    required=True,
    metavar="FILE",
    help="Log of a server or a command; - is standard input, .gz is read. May be repeated.",
)
@json_option
def restored(*, since: int, files: tuple[IO[bytes], ...], as_json: bool) -> None:
    """Apply again what the log says had ended, after a fail-over or a restore."""
    run = runtime()
    if since > run.now():
        raise click.BadParameter("lies in the future", param_hint="--since")
    logs = [EventLog(getattr(file, "name", "-"), file, use_case.KINDS) for file in files]
    report = use_case.reapply(run, logs, since)
    facts = _facts(report)
    show(facts, _told(report, facts), as_json=as_json)
    began = facts["first_at"]
    if isinstance(began, int) and began > whole_seconds(since):
        note(f"warning: the log begins at {_when(began)}; what ended before is not in it")
    if report.problem_count:
        refuse(f"{report.problem_count} endings could not be read or applied")


def _facts(report: Report) -> dict[str, object]:
    firsts = [log.first for log in report.logs if log.first is not None]
    lasts = [log.last for log in report.logs if log.last is not None]
    return {
        "since": whole_seconds(report.since),
        "lines": sum(log.lines for log in report.logs),
        "foreign_lines": sum(log.foreign for log in report.logs),
        "first_at": whole_seconds(min(firsts)) if firsts else None,
        "last_at": whole_seconds(max(lasts)) if lasts else None,
        **{
            kind.value: {effect.value: report.effects[kind, effect] for effect in Effect}
            for kind in Kind
        },
        "sessions_of_users": report.sessions_of_users,
        "passwords_to_set": report.passwords,
        "client_secrets_to_rotate": report.client_secrets,
        "problems": report.problems,
        "problem_count": report.problem_count,
    }


def _told(report: Report, facts: dict[str, object]) -> str:
    rows: list[dict[str, object]] = [
        {"": kind.value, **{effect.value: report.effects[kind, effect] for effect in Effect}}
        for kind in Kind
    ]
    told = [
        f"{facts['lines']} lines read, {facts['foreign_lines']} of them not Perennial's",
        table(rows, ("", *(effect.value for effect in Effect))),
        f"{report.sessions_of_users} sessions of these users ended",
    ]
    told += [
        f"the password of {name} is an older one again: `perennial user set-password {name}`"
        for name in report.passwords
    ]
    told += [
        f"the secret of client {name} is an older one again: `perennial client rotate-secret {name}`"
        for name in report.client_secrets
    ]
    return "\n".join([*told, *report.problems])


def _when(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
