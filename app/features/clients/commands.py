"""The commands `perennial client …`."""

import click

from app.core import device, redirects
from app.core.clients import AuthMethod, Client, Recovery
from app.core.sessions import whole_seconds
from app.features.clients import use_case
from app.features.clients.use_case import Registered, Wish
from app.protocol.commands import accepted, card, json_option, note, show, table
from app.protocol.grant import TokenGrant
from app.services.runtime import runtime

YEAR = 365 * 86_400
LIFETIME = click.IntRange(1, 10 * YEAR)
GRANTS = "authorization_code, client_credentials, device_code, password or refresh_token"
COLUMNS = ("client_id", "name", "kind", "grants", "scope", "disabled")


@click.group()
def client() -> None:
    """Clients and resource servers: create, list, show, rotate-secret, disable."""


def _installed(_: object, __: object, grants: tuple[str, ...]) -> tuple[str, ...]:
    """Only what some feature serves. `device_code` is short for a name that nobody remembers."""
    grants = tuple(device.GRANT if grant == "device_code" else grant for grant in grants)
    served = sorted(grant.GRANT_TYPE for grant in TokenGrant.__subclasses__())
    for grant in grants:
        if grant not in served:
            raise click.BadParameter(f"{grant!r} is not one of {', '.join(served)}")
    return grants


@client.command()
@click.option("--name", required=True, help="What people call it.")
@click.option(
    "--grant",
    "grants",
    multiple=True,
    callback=_installed,
    help=f"{GRANTS}. May be repeated.",
)
@click.option(
    "--redirect-uri",
    "redirect_uris",
    multiple=True,
    metavar="URI",
    help="Where browsers come back to. May be repeated.",
)
@click.option("--origin", "origins", multiple=True, help="Browser origin (CORS). May be repeated.")
@click.option("--scope", default="", help="Scopes it may ask for, separated by spaces.")
@click.option(
    "--auth-method",
    type=click.Choice([method.value for method in AuthMethod]),
    help="How it sends its secret; default: either way.",
)
@click.option(
    "--public",
    is_flag=True,
    help="Has no secret, as a program that people install (RFC 6749 §2.1).",
)
@click.option("--first-party", is_flag=True, help="Belongs to the server's owner.")
@click.option(
    "--require-par",
    is_flag=True,
    help="Must push its authorization requests to /oauth/par (RFC 9126).",
)
@click.option(
    "--min-rotation-interval",
    type=click.IntRange(min=0),
    default=0,
    help="Seconds after a refresh in which the next one gets the same token; default 0.",
)
@click.option(
    "--recovery",
    type=click.Choice([way.value for way in Recovery]),
    default=Recovery.WINDOW.value,
    help="Until when a lost answer is given again without a key: the grace window (the default), "
    "or until the token in it is used.",
)
@click.option(
    "--idle-ttl",
    type=LIFETIME,
    help="Seconds without a refresh until a session ends, instead of PERENNIAL_REFRESH_IDLE_TTL.",
)
@click.option(
    "--session-ttl",
    type=LIFETIME,
    help="Seconds that a session lives at most, instead of PERENNIAL_SESSION_TTL.",
)
@click.option(
    "--resource-server",
    "resource",
    metavar="URI",
    help="Register a resource server of this URI instead.",
)
@click.option(
    "--status/--no-status",
    default=True,
    help="Whether access tokens point to a status list (the default).",
)
@json_option
def create(*, as_json: bool, auth_method: str | None, recovery: str, **wish: object) -> None:
    """Register a client, or with --resource-server a resource server. The secret is shown once."""
    method = None if auth_method is None else AuthMethod(auth_method)
    asked = Wish(auth_method=method, recovery=Recovery(recovery), **wish)  # type: ignore[arg-type]
    registered = accepted(use_case.register(runtime(), asked))
    if registered.deviations:
        note(f"warning: the password grant deviates from {', '.join(registered.deviations)}")
    for uri in filter(redirects.is_named_loopback, registered.client.redirect_uris):
        note(f"warning: {uri!r} deviates from rfc8252-8.3-01: prefer http://127.0.0.1")
    _show_secret(registered, as_json=as_json)


def _show_secret(registered: Registered, *, as_json: bool) -> None:
    credentials = {"client_id": registered.client.client_id}
    if registered.secret is not None:
        credentials["client_secret"] = registered.secret
    text = "\n".join(f"{name}: {value}" for name, value in credentials.items())
    show(credentials, text, as_json=as_json)


@client.command("list")
@json_option
def list_clients(*, as_json: bool) -> None:
    """Every client and resource server, oldest first."""
    rows = [_described(found) for found in use_case.everybody(runtime())]
    show(rows, table(rows, COLUMNS), as_json=as_json)


@client.command("show")
@click.argument("client_id", metavar="ID")
@json_option
def show_client(client_id: str, *, as_json: bool) -> None:
    """What is registered for a client; never its secret."""
    row = _described(accepted(use_case.find(runtime(), client_id)))
    show(row, card(row), as_json=as_json)


def _described(found: Client) -> dict[str, object]:
    kind = "resource server" if found.resource else "public" if found.public else "confidential"
    return {
        "client_id": found.client_id,
        "name": found.name,
        "kind": kind,
        "auth_methods": sorted(method.value for method in found.auth_methods),
        "grants": sorted(found.grants),
        "scope": found.scope,
        "redirect_uris": list(found.redirect_uris),
        "origins": list(found.origins),
        "first_party": found.first_party,
        "require_par": found.require_par,
        "min_rotation_interval": whole_seconds(found.min_interval),
        "recovery": found.recovery.value,
        "resource": found.resource,
        "status": found.status,
        "disabled": found.disabled,
        "idle_ttl": None if found.idle_ttl is None else whole_seconds(found.idle_ttl),
        "session_ttl": None if found.session_ttl is None else whole_seconds(found.session_ttl),
    }


@client.command("rotate-secret")
@click.argument("client_id", metavar="ID")
@click.option(
    "--overlap",
    type=click.IntRange(0, YEAR),
    default=0,
    help="Seconds for which both work; default 0.",
)
@json_option
def rotate_secret(client_id: str, overlap: int, *, as_json: bool) -> None:
    """Replace a client's secret; the new one is shown once."""
    found = accepted(use_case.find(runtime(), client_id))
    replaced = accepted(use_case.rotate_secret(runtime(), found, overlap))
    runtime().telemetry.publish(replaced.events)
    _show_secret(replaced, as_json=as_json)


@client.command()
@click.argument("client_id", metavar="ID")
def disable(client_id: str) -> None:
    """Refuse a client; running servers follow within five seconds."""
    found = accepted(use_case.find(runtime(), client_id))
    runtime().telemetry.publish(use_case.disable(runtime(), found))
    click.echo(f"client {client_id} disabled")
