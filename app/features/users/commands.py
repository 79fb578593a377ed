"""The commands `perennial user …`."""

import sys

import click

from app.features.users import use_case
from app.protocol.commands import accepted, json_option, note, show
from app.services.runtime import runtime
from app.store.users import User


@click.group()
def user() -> None:
    """People who sign in: create, disable, enable, set a password."""


def _password() -> str:
    """The password on standard input, without its line ending."""
    text = sys.stdin.read()
    return text.removesuffix("\n").removesuffix("\r")


def _found(name: str) -> User:
    return accepted(use_case.find(runtime(), name))


@user.command()
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--email", help="Where the person can be reached.")
@json_option
def create(name: str, email: str | None, *, password_stdin: bool, as_json: bool) -> None:
    """Create a user."""
    password = _password() if password_stdin else None
    made = accepted(use_case.create(runtime(), name, email, password))
    show(
        {"user_id": made.id, "username": made.username},
        f"user {made.username} created with id {made.id}",
        as_json=as_json,
    )
    if password is None:
        note("without a password nobody signs in: perennial user set-password, see --help")


@user.command()
@click.argument("name")
def disable(name: str) -> None:
    """Refuse the user and end every session of theirs."""
    ended, events = use_case.disable(runtime(), _found(name))
    runtime().telemetry.publish(events)
    click.echo(f"user {name} disabled, {ended} sessions ended")


@user.command()
@click.argument("name")
def enable(name: str) -> None:
    """Let the user sign in again."""
    runtime().telemetry.publish(use_case.enable(runtime(), _found(name)))
    click.echo(f"user {name} enabled")


@user.command("set-password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, required=True, help="Read it from standard input.")
def set_password(name: str, *, password_stdin: bool) -> None:  # noqa: ARG001  # says where from
    """Change the password and end every session of the user."""
    ended, events = accepted(use_case.set_password(runtime(), _found(name), _password()))
    runtime().telemetry.publish(events)
    click.echo(f"password of {name} changed, {ended} sessions ended")
