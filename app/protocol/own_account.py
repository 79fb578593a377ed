"""What people may see and do about their own sessions, from wherever they ask."""

import re
from dataclasses import dataclass

from app.core.authorization_events import BrowserSignedOut, ConsentWithdrawn
from app.core.events import Event
from app.core.sessions import EndReason, Session
from app.protocol.sign_out import (
    end_batch,
    end_chosen,
    end_everything,
    end_session,
    leave_browser,
    told,
)
from app.services.runtime import Runtime
from app.store import (
    audit,
    browser_sessions,
    clients,
    consents,
    own_sessions,
    sessions,
    unfetched,
    users,
)
from app.store.browser_sessions import BrowserSession, SeenBrowser
from app.store.consents import Consent
from app.store.own_sessions import AtClient, NotBegunIn
from app.store.users import User

REASON = EndReason.SIGNED_OUT
_PUBLIC_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Account:
    """`began_in` leads from sessions to browser sessions, `names` from clients to their names."""

    user: User
    browsers: list[SeenBrowser]
    sessions: list[Session]
    began_in: dict[str, str]
    consents: list[Consent]
    names: dict[str, str]


def seen(run: Runtime, user_id: str) -> Account:
    now = run.now()
    with run.rotations.connect() as connection:
        living = own_sessions.living(connection, user_id, now)
        allowed = consents.of(connection, user_id)
        ids = {session.client_id for session in living} | {each.client_id for each in allowed}
        return Account(
            user=users.known(connection, user_id),
            browsers=browser_sessions.living(connection, user_id, now),
            sessions=living,
            began_in=own_sessions.began_in(connection, user_id, now),
            consents=allowed,
            names=clients.names(connection, ids),
        )


def end_own(run: Runtime, user_id: str, public_id: str) -> tuple[Event, ...] | None:
    """End a session of this person; None when they have none of that id."""
    if not _PUBLIC_ID.fullmatch(public_id):
        return None
    with run.rotations.connect() as connection:
        found = sessions.find_public(connection, public_id)
    if found is None or found.user_id != user_id:
        return None
    return end_session(run, found, REASON)


def sign_out_browser(run: Runtime, user_id: str, public_id: str) -> tuple[Event, ...] | None:
    """End a sign-in of this person's on our pages; None when they have none of that id."""
    if not _PUBLIC_ID.fullmatch(public_id):
        return None
    with run.transactions.begin() as connection:
        return leave_browser(connection, run, user_id, public_id, take_back=True)


def sign_out_here(run: Runtime, here: BrowserSession) -> tuple[Event, ...]:
    """What they have just allowed here stays good: a device may be about to fetch its tokens."""
    with run.transactions.begin() as connection:
        gone = leave_browser(connection, run, here.user_id, here.public_id, take_back=False)
    return gone or ()


def end_others(run: Runtime, here: BrowserSession) -> None:
    """End all but this browser's sign-in and the sessions that began with it, and publish it."""
    user_id, kept = here.user_id, here.public_id
    chosen = NotBegunIn(user_id, kept)
    with run.transactions.begin() as connection:
        gone = browser_sessions.end_others(connection, user_id, kept)
        unfetched.void_in_other_browsers(connection, user_id, kept)
        for each in gone:
            facts = {"session": each, "user_id": user_id, "detail": REASON}
            audit.record(connection, run.now(), BrowserSignedOut.name, facts)
        ended = end_batch(connection, run, chosen, REASON, audited=True)
    run.telemetry.publish([*(BrowserSignedOut(e, user_id) for e in gone), *told(ended, REASON)])
    end_chosen(run, chosen, REASON, audited=True)


def log_out_everywhere(run: Runtime, user_id: str) -> tuple[Event, ...]:
    with run.rotations.connect() as connection:
        user = users.known(connection, user_id)
    return end_everything(run, user, EndReason.SIGN_OUT_EVERYWHERE, run.now())[1]


def withdraw(run: Runtime, user_id: str, client_id: str) -> bool:
    """Take back a consent, end what it brought, and publish it; False when there is none.

    What nobody has fetched goes with the consent. A session that began meanwhile was committed
    before, so it is among those that end.
    """
    now, chosen = run.now(), AtClient(user_id, client_id)
    with run.transactions.begin() as connection:
        if not consents.withdraw(connection, user_id, client_id, now):
            return False
        unfetched.void_at_client(connection, user_id, client_id)
        facts = {"user_id": user_id, "client_id": client_id}
        audit.record(connection, now, ConsentWithdrawn.name, facts)
        ended = end_batch(connection, run, chosen, REASON, audited=True)
    run.telemetry.publish([ConsentWithdrawn(client_id, user_id, now), *told(ended, REASON)])
    end_chosen(run, chosen, REASON, audited=True)
    return True
