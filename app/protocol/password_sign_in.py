"""Signing in with a password (RFC 6749 §4.3): prove who it is, begin a session."""

from dataclasses import dataclass, field, replace

from app.core.clients import Client
from app.core.devices import Device
from app.core.events import SignInRefused
from app.core.outcomes import Outcome, Refused
from app.core.sessions import Terms
from app.protocol import credentials, sign_in
from app.protocol.requested import coverage
from app.protocol.responses import busy
from app.protocol.sign_in import AT_TOKEN_ENDPOINT
from app.services.runtime import Runtime
from app.store.users import User

GRANT = "password"


@dataclass(frozen=True, slots=True)
class Attempt:
    username: str
    password: str = field(repr=False)
    scope: str | None
    resources: tuple[str, ...]
    device: Device
    terms: Terms = AT_TOKEN_ENDPOINT


def sign_in_with_password(
    run: Runtime, client: Client, attempt: Attempt, grant: str = GRANT
) -> Outcome:
    covered = coverage(run, client, attempt.scope, attempt.resources)
    if isinstance(covered, Refused):
        return covered
    person = credentials.prove(
        run,
        credentials.Attempt(
            client.client_id, attempt.username, attempt.password, attempt.device.address or ""
        ),
    )
    if isinstance(person, Refused):
        return person
    now = run.now()
    session = sign_in.draft(run, client, person.user, covered, now, attempt.terms, attempt.device)
    issued = sign_in.tokens(run, client, session, now, grant)
    with run.transactions.begin() as connection:
        person.store(connection)
        ended = sign_in.store(connection, run, session, attempt.device)
    if ended is None:
        return _overtaken(client, person.user)
    return replace(issued, events=issued.events + ended)


def _overtaken(client: Client, user: User) -> Refused:
    """Everything was ended after the password was verified. Whether it is still good, the same
    request will find out.
    """
    event = SignInRefused(client=client.client_id, user=user.id, why="signed_out_meanwhile")
    return replace(busy(), events=(event,))
