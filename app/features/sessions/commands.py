"""The commands `perennial session …`."""

import json
from collections.abc import Mapping

import click

from app.core.events import ReuseDetected
from app.core.sessions import EndReason, Session
from app.protocol.commands import card, json_option, refuse, show, table
from app.protocol.described_sessions import described
from app.protocol.sign_out import end_everything, end_session
from app.services.runtime import Runtime, runtime
from app.store import audit, sessions, users

COLUMNS = ("id", "state", "username", "client_id", "created_at", "last_seen_at", "device_name")


@click.group()
def session() -> None:
    """Sessions: list, show, revoke."""


@session.command("list")
@click.option("--user", "username", help="Only those of this user.")
@click.option("--client", "client_id", help="Only those at this client.")
@json_option
def list_sessions(username: str | None, client_id: str | None, *, as_json: bool) -> None:
    """Sessions, newest first. Times are UTC epoch seconds, durations seconds."""
    run = runtime()
    with run.rotations.connect() as connection:
        found = sessions.listing(connection, username=username, client_id=client_id)
    rows = [_described(run, *entry) for entry in found]
    show(rows, table(rows, COLUMNS), as_json=as_json)


@session.command("show")
@click.argument("public_id", metavar="ID")
@json_option
def show_session(public_id: str, *, as_json: bool) -> None:
    """One session, why it is over if it is, and after a reuse what is known of both sides."""
    run = runtime()
    with run.rotations.connect() as connection:
        found = sessions.listing(connection, public_id=public_id)
        dossier = audit.detail(connection, public_id, ReuseDetected.name)
    if not found:
        refuse(f"there is no session {public_id}")
    row = _described(run, *found[0])
    reuse = None if dossier is None else json.loads(dossier)
    text = card(row) if reuse is None else f"{card(row)}\n{_sides(reuse)}"
    show({**row, "reuse": reuse}, text, as_json=as_json)


def _sides(reuse: Mapping[str, Mapping[str, object]]) -> str:
    """Who held the token: one of them is the owner, and only the owner can say which."""
    return "\n".join(
        card({f"reuse.{side}.{k}": v for k, v in facts.items()}) for side, facts in reuse.items()
    )


def _described(run: Runtime, session: Session, username: str) -> dict[str, object]:
    return {
        **described(session, run.now()),
        "end_reason": session.revoke_reason,
        "username": username,
        "user_id": session.user_id,
        "generation": session.generation,
    }


@session.command()
@click.argument("public_id", metavar="ID")
def revoke(public_id: str) -> None:
    """End one session."""
    run = runtime()
    with run.rotations.connect() as connection:
        found = sessions.find_public(connection, public_id)
    if found is None:
        refuse(f"there is no session {public_id}")
    events = end_session(run, found, EndReason.OPERATOR)
    run.telemetry.publish(events)
    click.echo(f"session {public_id} {'ended' if events else 'had ended already'}")


@session.command("revoke-all")
@click.option("--user", "username", required=True, help="Whose sessions to end.")
def revoke_all(username: str) -> None:
    """End every session of a user."""
    run = runtime()
    with run.rotations.connect() as connection:
        user = users.find_by_name(connection, username)
    if user is None:
        refuse(f"there is no user {username!r}")
    ended, events = end_everything(run, user, EndReason.SIGN_OUT_EVERYWHERE, run.now())
    run.telemetry.publish(events)
    click.echo(f"{ended} sessions of {username} ended")
