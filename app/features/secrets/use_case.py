"""Turning derivation secrets over: what there is, the next step, and giving one up."""

from collections.abc import Callable
from dataclasses import dataclass

from app.core import derivation
from app.core.derivation import SETTLED, SecretId, SecretState
from app.core.events import Event
from app.core.outcomes import Rejected
from app.core.sessions import EndReason
from app.protocol.sign_out import end_chosen
from app.services.runtime import Runtime
from app.services.secret_ceremony import SecretCeremony, Turn, Waiting
from app.store import derived_sessions
from app.store.derived_sessions import Count, Holders

Pause = Callable[[float], None]

FOREVER = 2**62
"""Later than any session begins."""


@dataclass(frozen=True, slots=True)
class Described:
    """A secret as this host sees it; `sessions` have a current token of it."""

    entry: SecretId
    held: bool
    derives: bool
    sessions: int
    retirable: bool


@dataclass(frozen=True, slots=True)
class Needed(Rejected):
    """Sessions hold tokens of it; `since` is when the next one became active."""

    count: Count
    since: int | None


@dataclass(frozen=True, slots=True)
class Retired:
    sessions: int
    events: tuple[Event, ...]


def overview(run: Runtime) -> list[Described]:
    known = _ceremony(run).known()
    found = run.keystore.directory.survey().held
    chosen = derivation.deriving(known, derivation.usable(known, found))
    now = run.now()
    with run.rotations.connect() as connection:
        current = derived_sessions.live_by_secret(connection, now)
        return [
            Described(
                entry,
                held=entry.id in found and entry.fits(found[entry.id]),
                derives=entry.id == chosen,
                sessions=current.get(entry.id, 0),
                retirable=_objection(entry, known) is None
                and not derived_sessions.count(connection, _holders(entry, known), now).total,
            )
            for entry in known
        ]


def rotate(run: Runtime, called_at: int, pause: Pause) -> Turn | Rejected:
    turn = _ceremony(run).rotate(called_at, Waiting(run.now, pause))
    run.keystore.forget()
    return turn


def retire(run: Runtime, secret_id: int, pause: Pause, *, force: bool) -> Retired | Rejected:
    """Refused while sessions hold tokens of it, unless these are to be ended.

    They are ended first, all of them: whoever made tokens with a leaked secret may have turned one
    of them into a token of the next secret meanwhile.
    """
    ceremony = _ceremony(run)
    run.keystore.directory.prepare()
    with run.keystore.directory.lock():
        known = ceremony.known()
        entry = next((entry for entry in known if entry.id == secret_id), None)
        if entry is None:
            return Rejected(f"there is no derivation secret {secret_id}")
        why = _objection(entry, known)
        if why is not None:
            return Rejected(why)
        since = derivation.superseded_at(entry, known)
        if since is not None:
            # A server that has not heard of the next one yet goes on deriving with this one.
            Waiting(run.now, pause).until_settled(since)
        holders = _holders(entry, known)
        with run.rotations.connect() as connection:
            count = derived_sessions.count(connection, holders, run.now())
        if count.total and not force:
            return Needed(f"derivation secret {secret_id} is still needed", count, since)
        ended = end_chosen(run, holders, EndReason.SECRET_RETIRED)
        events = ceremony.retire(entry, ended, run.now())
    run.keystore.forget()
    return events if isinstance(events, Rejected) else Retired(ended, events)


def _ceremony(run: Runtime) -> SecretCeremony:
    return SecretCeremony(run.keystore.directory, run.transactions)


def _objection(entry: SecretId, known: list[SecretId]) -> str | None:
    """Why a secret cannot be retired, whoever holds its tokens."""
    if entry.state is SecretState.RETIRED:
        return f"derivation secret {entry.id} is retired already"
    if entry == derivation.active(known):
        return f"derivation secret {entry.id} is active; `perennial secrets rotate` first"
    return None


def _holders(entry: SecretId, known: list[SecretId]) -> Holders:
    """A session that began before its successor became active has older tokens of it: their reuse
    could no longer be recognised, nor a lost answer be given again.
    """
    current = derivation.active(known)
    if current is None or entry.id > current.id:
        return Holders(entry.id, before=0)
    since = derivation.superseded_at(entry, known)
    return Holders(entry.id, before=FOREVER if since is None else since + SETTLED)
