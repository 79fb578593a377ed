"""The command `perennial explain -`."""

import sys

import click

from app.features.explain.use_case import explain
from app.protocol.commands import card, json_option, show
from app.services.runtime import runtime

LONGEST = 16_384


@click.command("explain")
@click.argument("source", metavar="-")
@json_option
def explain_token(source: str, *, as_json: bool) -> None:
    """Read a token from stdin; say by which rule its client would get what answer now.

    Exit 0 when it would be accepted, 1 when not. Changes nothing and never prints the token.
    """
    if source != "-":
        # Not repeated: it is a token by now, and every user of the machine has seen it.
        raise click.BadParameter("expected -, for the token is read from stdin", param_hint="'-'")
    text = sys.stdin.buffer.read(LONGEST).decode(errors="replace").strip()
    explanation = explain(runtime(), text)
    facts = {"accepted": explanation.accepted, **explanation.facts}
    show(facts, card(facts), as_json=as_json)
    if not explanation.accepted:
        raise click.exceptions.Exit(1)
