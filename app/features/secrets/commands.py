"""The commands `perennial secrets …`."""

import time

import click

from app.core.derivation import SecretState
from app.core.sessions import whole_seconds
from app.features.secrets import use_case
from app.features.secrets.use_case import Described, Needed
from app.protocol.commands import CALLED_AT, accepted, json_option, note, refuse, show, table, when
from app.services.key_directory import secret_name
from app.services.runtime import runtime
from app.services.secret_ceremony import Turn

COLUMNS = (
    "id",
    "state",
    "created_at",
    "activated_at",
    "held",
    "derives",
    "sessions",
    "retirable",
)


@click.group()
def secrets() -> None:
    """Derivation secrets of refresh tokens: list, rotate, retire."""


@secrets.command("list")
@json_option
def list_secrets(*, as_json: bool) -> None:
    """Every secret's id with its state, here and in the database; times are UTC epoch seconds."""
    run = runtime()
    rows = [_row(found) for found in use_case.overview(run)]
    show(rows, table(rows, COLUMNS), as_json=as_json)
    for fault in run.keystore.directory.survey().faults.values():
        note(f"warning: {fault}")


def _row(found: Described) -> dict[str, object]:
    entry = found.entry
    activated_at = entry.activated_at
    return {
        "id": entry.id,
        "state": entry.state.value,
        "created_at": whole_seconds(entry.created_at),
        "activated_at": None if activated_at is None else whole_seconds(activated_at),
        "held": found.held,
        "derives": found.derives,
        "sessions": found.sessions,
        "retirable": found.retirable,
    }


@secrets.command()
@json_option
def rotate(*, as_json: bool) -> None:
    """Make the next secret; called again, let new tokens be derived with it."""
    run = runtime()
    turn = accepted(use_case.rotate(run, CALLED_AT, time.sleep))
    run.telemetry.publish(turn.events)
    answer = {
        "id": turn.secret_id,
        "state": turn.state.value,
        "file": secret_name(turn.secret_id),
        "acted": bool(turn.events),
    }
    show(answer, _told(turn), as_json=as_json)


def _told(turn: Turn) -> str:
    secret = f"derivation secret {turn.secret_id}"
    if not turn.events:
        return f"another rotation acted first; {secret} is {turn.state.value}"
    if turn.state is SecretState.ACTIVE:
        return f"{secret} is active: new tokens are derived with it"
    return (
        f"{secret} is known; nothing is derived with it yet. Copy {secret_name(turn.secret_id)} to"
        " the key directory of every other host, then run `perennial secrets rotate` again"
    )


@secrets.command()
@click.argument("secret_id", metavar="ID", type=int)
@click.option("--force", is_flag=True, help="End the sessions that hold tokens of it.")
def retire(secret_id: int, *, force: bool) -> None:
    """Refuse every token of a secret from now on."""
    run = runtime()
    answer = use_case.retire(run, secret_id, time.sleep, force=force)
    if isinstance(answer, Needed):
        refuse(_needed(answer))
    retired = accepted(answer)
    run.telemetry.publish(retired.events)
    click.echo(
        f"derivation secret {secret_id} is retired; sessions ended: {retired.sessions}."
        f" Delete {secret_name(secret_id)} from the key directory of every host"
    )


def _needed(answer: Needed) -> str:
    count = answer.count
    facts = [f"sessions with a token of it: {count.current}"]
    if answer.since is not None:
        facts.append(f"others begun before {when(answer.since)}: {count.earlier}")
    if count.until is not None:
        facts.append(f"the last is over by {when(count.until)}")
    return f"{answer.why}; {'; '.join(facts)}; --force ends them"
