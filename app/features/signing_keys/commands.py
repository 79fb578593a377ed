"""The commands `perennial keys …`."""

import click

from app.core import keyring
from app.core.keyring import AlreadyScheduled, Key, NobodyReady, Promotion
from app.core.sessions import SECOND, whole_seconds
from app.features.signing_keys import use_case
from app.protocol.commands import CALLED_AT, accepted, json_option, note, refuse, show, table, when
from app.services.key_ceremony import Rotation
from app.services.runtime import runtime
from app.store import signing_keys

NOTICED = 5
"""Seconds until every running server has seen what a command did."""

COLUMNS = ("kid", "state", "alg", "created_at", "signs_from", "retires_at")


@click.group()
def keys() -> None:
    """Signing keys: list, rotate, retire, compromise, reseal."""


@keys.command("list")
@json_option
def list_keys(*, as_json: bool) -> None:
    """Every key with its state; times are UTC epoch seconds."""
    run = runtime()
    with run.rotations.connect() as connection:
        known = [entry.key for entry in signing_keys.everything(connection)]
    now = run.now()
    rows = [_row(key, known, now) for key in known]
    show(rows, table(rows, COLUMNS), as_json=as_json)


def _row(key: Key, known: list[Key], now: int) -> dict[str, object]:
    return {
        "kid": key.kid,
        "state": keyring.state(key, known, now).value,
        "alg": key.alg,
        "created_at": whole_seconds(key.created_at),
        "signs_from": _seconds(key.signs_from),
        "retires_at": _seconds(key.retires_at),
    }


def _seconds(moment: int | None) -> int | None:
    return None if moment is None else whole_seconds(moment)


@keys.command()
@click.option("--now", "at_once", is_flag=True, help="Promote at once, known everywhere or not.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, change nothing.")
def rotate(*, at_once: bool, dry_run: bool) -> None:
    """Let the next key sign, as soon as every verifier can know it."""
    run = runtime()
    ceremony, now = run.ceremony(), run.now()
    if dry_run:
        preview = ceremony.preview(now, at_once=at_once)
        made = "a new key would be made and promoted"
        click.echo(made if preview.planned is None else f"dry run: {_told(preview, now)}")
        return
    rotation = ceremony.rotate(at_once=at_once, called_at=CALLED_AT, now=now)
    run.keystore.forget()
    run.telemetry.publish(rotation.events)
    if isinstance(rotation.planned, Promotion) and rotation.planned.early():
        note("warning: verifiers that cache the key set may refuse tokens until they read it again")
    click.echo(_told(rotation, run.now()))


def _told(rotation: Rotation, now: int) -> str:
    planned = rotation.planned
    active = "none" if rotation.active is None else rotation.active.kid
    if planned is None:
        return f"another rotation acted first; key {active} signs"
    if isinstance(planned, AlreadyScheduled):
        return f"key {planned.kid} is scheduled to sign from {when(planned.signs_from)}"
    start = planned.promoted.signs_from or now
    tense = "signs" if start <= now else "will sign"
    return f"key {planned.promoted.kid} {tense} from {when(start)}"


# A thumbprint may begin with a dash; it is no option.
@keys.command(context_settings={"ignore_unknown_options": True})
@click.argument("kid")
def retire(kid: str) -> None:
    """Take a key that no longer signs out of the published set now."""
    run = runtime()
    events = run.ceremony().retire(kid, run.now())
    if events is None:
        refuse(f"key {kid} is not retiring; only a key that has stopped signing can be retired")
    run.keystore.forget()
    run.telemetry.publish(events)
    click.echo(f"key {kid} is retired")


@keys.command(context_settings={"ignore_unknown_options": True})
@click.argument("kid")
@click.option("--all", "everything", is_flag=True, help="Give up every key, make new ones.")
@click.option("--end-sessions", is_flag=True, help="End the sessions it may have signed for.")
def compromise(kid: str, *, everything: bool, end_sessions: bool) -> None:
    """Stop believing in a key that others may have."""
    run = runtime()
    answer = use_case.compromise(run, kid, everything=everything, end_sessions=end_sessions)
    if isinstance(answer, NobodyReady):
        refuse(_nobody_ready(kid, answer))
    given_up = accepted(answer)
    done, ended = given_up.compromised, given_up.sessions
    if everything:
        note("warning: verifiers refuse every token until they have read the key set again")
    lost = " and ".join(key.kid for key in done.lost)
    signing = "none" if done.signing is None else done.signing.kid
    seconds = done.promised // SECOND + NOTICED
    click.echo(f"compromised: {lost}; key {signing} signs")
    click.echo(f"introspection refuses its tokens within {NOTICED} seconds")
    click.echo(f"verifiers that cache as announced refuse them within {seconds} seconds")
    if end_sessions:
        click.echo(f"sessions ended: {ended}")


def _nobody_ready(kid: str, answer: NobodyReady) -> str:
    known = "no other key waits"
    if answer.known_at is not None:
        known = f"no other is known to every verifier before {when(answer.known_at)}"
    return f"key {kid} signs and {known}; --all gives up every key and makes new ones"


@keys.command()
def reseal() -> None:
    """Seal every private key in the database under the first key of PERENNIAL_KEK_FILE."""
    click.echo(f"keys sealed anew: {accepted(use_case.reseal(runtime()))}")
