"""Registering clients: what a registration may say, and what it is warned about."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from sqlalchemy.exc import IntegrityError

from app.core import redirects, resources, scopes
from app.core.clients import SECRET_METHODS, AuthMethod, Client, Recovery, Secrets, digest
from app.core.events import ClientDisabled, ClientSecretRotated, Event
from app.core.outcomes import Rejected
from app.core.sessions import SECOND
from app.services.runtime import Runtime
from app.store import audit, clients

LONGEST_NAME = 255
SECRET_PREFIX = "prn_cs_"  # noqa: S105  # what scanners look for
PASSWORD_CLAUSES = ("rfc9700-2.4-01", "asvs5-v10-10.4.4-02")


_ORIGIN = re.compile(
    r"https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?"
)
CODE_GRANT = "authorization_code"


@dataclass(frozen=True, slots=True, repr=False)
class Registered:
    """`secret` is shown once and never stored; `deviations` are clauses the client breaks."""

    client: Client
    secret: str | None
    deviations: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A registration as asked for; durations in seconds."""

    name: str
    grants: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    scope: str = ""
    auth_method: AuthMethod | None = None
    public: bool = False
    first_party: bool = False
    require_par: bool = False
    min_rotation_interval: int = 0
    recovery: Recovery = Recovery.WINDOW
    resource: str | None = None
    status: bool = True
    idle_ttl: int | None = None
    session_ttl: int | None = None


def register(run: Runtime, wish: Wish) -> Registered | Rejected:
    why = next(_objections(run, wish), None)
    if why is not None:
        return Rejected(why)
    secret = None if wish.public else _new_secret()
    client = _client(wish, secret)
    now = run.now()
    try:
        with run.transactions.begin() as connection:
            clients.create(connection, client, now)
            audit.record(connection, now, "client_created", {"client_id": client.client_id})
    except IntegrityError:
        return Rejected(f"a resource server for {wish.resource} exists already")
    deviations = PASSWORD_CLAUSES if "password" in client.grants else ()
    return Registered(client, secret, deviations)


def _client(wish: Wish, secret: str | None) -> Client:
    """Without a chosen method a confidential client may use either way of sending its secret."""
    methods = frozenset({wish.auth_method}) if wish.auth_method else SECRET_METHODS
    parsed = scopes.parse(wish.scope)
    assert parsed is not None, "checked by _objections"
    return Client(
        client_id=secrets.token_hex(12),
        name=wish.name,
        auth_methods=frozenset({AuthMethod.NONE}) if wish.public else methods,
        secrets=Secrets(None if secret is None else digest(secret.encode())),
        grants=frozenset(wish.grants),
        scope=" ".join(parsed),
        redirect_uris=wish.redirect_uris,
        origins=wish.origins,
        first_party=wish.first_party,
        require_par=wish.require_par,
        min_interval=wish.min_rotation_interval * SECOND,
        recovery=wish.recovery,
        resource=wish.resource,
        status=wish.status,
        idle_ttl=_milliseconds(wish.idle_ttl),
        session_ttl=_milliseconds(wish.session_ttl),
    )


def _milliseconds(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * SECOND


def _new_secret() -> str:
    """256 random bits behind a prefix that secret scanners can find."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def _objections(run: Runtime, wish: Wish) -> Iterator[str]:
    """Everything that is wrong with a registration; the first is told."""
    if not wish.name.isprintable() or not 0 < len(wish.name.strip()) <= LONGEST_NAME:
        yield f"a client needs a name of 1 to {LONGEST_NAME} printable characters"
    if wish.resource is None:
        yield from _objections_to_client(wish)
    else:
        yield from _objections_to_resource_server(wish, wish.resource)
    if wish.min_rotation_interval > run.settings.reuse_grace:
        grace = run.settings.reuse_grace
        yield f"--min-rotation-interval must lie within PERENNIAL_REUSE_GRACE (0 to {grace})"
    if scopes.parse(wish.scope) is None:
        yield "--scope takes scopes separated by single spaces (rfc6749-A-01)"
    for origin in wish.origins:
        if not _is_origin(origin):
            yield f"{origin!r} is no origin (scheme://host[:port])"
    for uri in wish.redirect_uris:
        why = redirects.objection(uri)
        if why is not None:
            yield f"{uri!r} {why}"


def _objections_to_client(wish: Wish) -> Iterator[str]:
    if not wish.grants:
        yield "a client needs at least one --grant"
    if wish.public and wish.auth_method not in {None, AuthMethod.NONE}:
        yield "a public client has no secret to authenticate with"
    if not wish.public and wish.auth_method is AuthMethod.NONE:
        yield "--auth-method none is for --public clients"
    if wish.public and "client_credentials" in wish.grants:
        yield "a public client cannot have the client_credentials grant (rfc6749-4.4-01)"
    if wish.public and "password" in wish.grants and not wish.first_party:
        clauses = ", ".join(PASSWORD_CLAUSES)
        yield f"a public client may have the password grant only with --first-party ({clauses})"
    if CODE_GRANT in wish.grants and not wish.redirect_uris:
        yield "the authorization_code grant needs a --redirect-uri (rfc6749-3.1.2.2-01)"
    if wish.require_par and CODE_GRANT not in wish.grants:
        yield "--require-par is for clients with the authorization_code grant"
    if wish.public and wish.recovery is Recovery.UNTIL_USED:
        yield "--recovery until-used needs a confidential client"


def _objections_to_resource_server(wish: Wish, uri: str) -> Iterator[str]:
    secretless = wish.public or wish.auth_method is AuthMethod.NONE
    if wish.grants or secretless or wish.origins or wish.redirect_uris:
        yield "a resource server takes no grants, origins or redirect URIs and has a secret"
    if not resources.is_absolute_uri(uri):
        yield f"{uri!r} is no absolute URI without fragment (rfc8707-2-01)"


def _is_origin(text: str) -> bool:
    """An origin as browsers write it: lower case, no default port spelled out by them."""
    try:
        _ = urlsplit(text).port  # raises when it is none
    except ValueError:
        return False
    return _ORIGIN.fullmatch(text) is not None


def find(run: Runtime, client_id: str) -> Client | Rejected:
    with run.rotations.connect() as connection:
        client = clients.find(connection, client_id)
    return Rejected(f"there is no client {client_id}") if client is None else client


def everybody(run: Runtime) -> list[Client]:
    with run.rotations.connect() as connection:
        return clients.everybody(connection)


def rotate_secret(run: Runtime, client: Client, overlap: int) -> Registered | Rejected:
    """A new secret; the one before works for `overlap` seconds more."""
    if client.public:
        return Rejected("a public client has no secret")
    secret, now = _new_secret(), run.now()
    hashed = digest(secret.encode())
    with run.transactions.begin() as connection:
        current = clients.find(connection, client.client_id)
        assert current is not None, "clients are disabled, never deleted"
        if overlap and current.secrets.previous_until > now:
            return Rejected("the secret before the last still overlaps; wait, or use --overlap 0")
        clients.replace_secret(connection, current, hashed, now + overlap * SECOND)
        facts = {"client_id": client.client_id}
        audit.record(connection, now, ClientSecretRotated.name, facts)
    event = ClientSecretRotated(client.client_id, now)
    return Registered(replace(client, secrets=Secrets(hashed)), secret, events=(event,))


def disable(run: Runtime, client: Client) -> tuple[Event, ...]:
    now = run.now()
    with run.transactions.begin() as connection:
        clients.disable(connection, client.client_id, now)
        audit.record(connection, now, ClientDisabled.name, {"client_id": client.client_id})
    return (ClientDisabled(client.client_id),)
