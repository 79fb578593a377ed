"""One system under test three times: the rules over rows in memory, and the product on SQLite and
on PostgreSQL. Every lane takes the same operations and shows what came of them in the same form.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import delete, func, select, update

from app.core.clients import Client
from app.core.events import ReuseDetected
from app.core.outcomes import Outcome, Refused
from app.core.refresh_token import Ring, check_value, parse
from app.core.sessions import EndReason, Session, whole_seconds
from app.features.revocation import use_case as revocation
from app.protocol import refresh as use_case
from app.protocol import sign_in, sign_out
from app.protocol.refresh import Request
from app.store import audit, clients, derivation_secrets, users
from app.store.derivation_secrets import SecretIdRow, SecretState
from app.store.sessions import SessionRow
from app.store.users import User, UserRow
from tests.model import course
from tests.model.course import Ask, Granted, Held
from tests.model.suspended import Statements, Suspended, watch
from tests.site import Site

ISSUED = "issued"
SWAPPED_COLUMNS = ("gen", "secret_id", "rotated_at", "rotation_key_hash", "idle_expires_at")
_EVERYTHING = (
    select(SessionRow.__table__, UserRow.auth_epoch, UserRow.disabled_at)
    .join(UserRow, UserRow.id == SessionRow.user_id)
    .order_by(SessionRow.sid)
)
_REUSES = select(func.count()).where(audit.AuditRow.event == ReuseDetected.name)


@dataclass(frozen=True)
class Answer:
    """What a client gets, and which rule the operator is told; only servers sign (`claims`)."""

    status: str
    rule: str = ""
    token: str | None = None
    scope: str | None = None
    times_left: tuple[int | None, int | None] = (None, None)
    reason: str | None = None
    retry_after: int | None = None
    expires_in: int | None = field(default=None, compare=False)
    claims: Mapping[str, Any] | None = field(default=None, compare=False)

    @property
    def issued(self) -> bool:
        return self.status == ISSUED


def _rule(outcome: Outcome) -> str:
    rules = [event.rule for event in outcome.events if hasattr(event, "rule")]
    if any(isinstance(event, ReuseDetected) for event in outcome.events):
        rules.append("R7")
    return rules[0] if rules else ""


def _answered(outcome: Outcome) -> Answer:
    rule = _rule(outcome)
    if isinstance(outcome, Refused):
        return Answer(outcome.error, rule, reason=outcome.reason, retry_after=outcome.retry_after)
    payload = outcome.access_token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return Answer(
        ISSUED,
        rule,
        outcome.refresh_token,
        outcome.scope,
        (outcome.refresh_token_timeout, outcome.authorization_expires_in),
        expires_in=outcome.expires_in,
        claims=claims,
    )


class InServer:
    """A refresh at a server: run through, or held before each statement."""

    def __init__(self, call: Callable[[], Outcome], *, hold: bool) -> None:
        self._call = Suspended(call) if hold else Statements(call)

    @property
    def statements(self) -> list[str]:
        return self._call.seen

    @property
    def waits_for(self) -> str | None:
        return getattr(self._call, "waits_for", None)

    @property
    def answer(self) -> Answer | None:
        return None if self.waits_for is not None else _answered(self._call.result)

    def step(self) -> None:
        self._call.step()


class ServerLane:
    """Hosts with caches, connections and key directories of their own, on one database."""

    def __init__(self, name: str, hosts: list[Site]) -> None:
        self.name, self.hosts = name, hosts
        for host in hosts:
            watch(host.run.rotations, host.run.transactions)
        self._observer = hosts[0].run.rotations.connect()

    def close(self) -> None:
        self._observer.close()
        for host in self.hosts:
            host.close()

    def enroll(self, everybody: Iterable[Client]) -> None:
        with self.hosts[0].run.transactions.begin() as connection:
            for client in everybody:
                clients.create(connection, client, self.hosts[0].clock())

    def clear(self) -> None:
        with self.hosts[0].run.transactions.begin() as connection:
            for table in (SessionRow, UserRow, audit.AuditRow):
                connection.execute(delete(table))

    def set_clock(self, now: int) -> None:
        for host in self.hosts:
            host.clock.now = now

    def give_secrets(self, host: int, held: Mapping[int, bytes]) -> None:
        site = self.hosts[host]
        directory = site.run.keystore.directory.path
        for path in directory.glob("refresh-*.secret"):
            path.unlink()
        for secret_id, secret in held.items():
            path = directory / f"refresh-{secret_id}.secret"
            path.touch(0o600)
            path.write_bytes(secret)
        _read_again(site)

    def set_secret_state(self, secret_id: int, state: SecretState) -> None:
        with self.hosts[0].run.transactions.begin() as connection:
            connection.execute(
                update(SecretIdRow).where(SecretIdRow.id == secret_id).values(state=state)
            )
        for site in self.hosts:
            _read_again(site)

    def ring(self, host: int) -> Ring:
        return self.hosts[host].run.ring()

    def begin(self, host: int, client: Client, session: Session) -> Answer:
        """Store a session that was drafted, and hand out its first tokens."""
        run = self.hosts[host].run
        with run.transactions.begin() as connection:
            if users.find_by_name(connection, session.user_id) is None:
                facts = {"id": session.user_id, "username": session.user_id}
                users.create(connection, {**facts, "created_at": session.auth_time})
            sign_in.store(connection, run, session, sign_in.Device())
        now = run.now()
        return _answered(sign_in.tokens(run, client, session, now, "password"))

    def refresh(self, host: int, client: Client, request: Request, *, hold: bool) -> InServer:
        run = self.hosts[host].run
        return InServer(lambda: use_case.refresh(run, client, request), hold=hold)

    def revoke(self, token: str) -> None:
        """As the revocation endpoint does."""
        run = self.hosts[0].run
        found = revocation.find(run, token)
        assert found is not None
        revocation.revoke(run, found)

    def sign_out(self, user: str, *, disable: bool, mark: bool) -> None:
        """End everything of a person; an interruption comes before the rows are marked."""
        run = self.hosts[0].run
        values: dict[str, object] = {"disabled_at": run.now()} if disable else {}
        if not mark:
            with run.transactions.begin() as connection:
                users.change(connection, user, values)
            return
        reason = EndReason.SIGN_OUT_EVERYWHERE
        person = User(user, user, None, None, auth_epoch=0, disabled_at=None)
        sign_out.end_everything(run, person, reason, run.now(), values)

    def lose(self, sid: bytes, columns: Mapping[str, Any]) -> None:
        """The row as a standby has it that became primary."""
        with self.hosts[0].run.transactions.begin() as connection:
            connection.execute(update(SessionRow).where(SessionRow.sid == sid).values(**columns))

    def rows(self) -> dict[bytes, Any]:
        return {row.sid: row for row in self._observer.execute(_EVERYTHING)}

    def reuses(self) -> int:
        """How many ends for reuse were written down for the auditor."""
        return self._observer.execute(_REUSES).scalar_one()


class InMemory:
    """The same refresh, by the rules alone."""

    def __init__(self, lane: "PureLane", ask: Ask | None, client: Client, *, hold: bool) -> None:
        self._lane, self._ask, self._client = lane, ask, client
        self._state: Held | Granted | Refused = Held()
        self.statements: list[str] = []
        if ask is None:
            self._state = use_case._refused(client, None, _MALFORMED)
        else:
            self.step()
        while not hold and self.answer is None:
            self.step()

    @property
    def answer(self) -> Answer | None:
        match self._state:
            case Held():
                return None
            case Refused() as refused:
                ends = refused.reason == "session_reused" and not refused.events
                return replace(_answered(refused), rule="R7") if ends else _answered(refused)
            case Granted() as granted:
                return self._issued(granted)

    def step(self) -> None:
        assert self._ask is not None
        assert isinstance(self._state, Held)
        self.statements.append(self._state.stage.name)
        row = self._lane.stored.get(self._ask.token.sid)
        self._state, row = course.step(self._ask, self._state, row, self._lane.now)
        if row is not None:
            self._lane.stored[row.sid] = row

    def _issued(self, granted: Granted) -> Answer:
        assert self._ask is not None
        row = self._lane.stored[self._ask.token.sid]
        token = self._ask.ring.mint(granted.secret_id, row.sid, row.salt, granted.generation)
        left = (granted.idle_expires_at - granted.read_at, row.expires_at - granted.read_at)
        seconds = (whole_seconds(left[0]), whole_seconds(left[1]))
        return Answer(ISSUED, granted.rule, token, granted.scope, seconds)


_MALFORMED = use_case.Refuse(use_case.Rule.R0_MALFORMED, use_case.Refusal.MALFORMED)


class PureLane:
    """`judge` over rows in memory. Rings and policies are the ones of a server: they are input."""

    name = "core"

    def __init__(self, like: ServerLane) -> None:
        self._like = like
        self.stored: dict[bytes, Session] = {}
        self.now = 0

    def clear(self) -> None:
        self.stored.clear()

    def set_clock(self, now: int) -> None:
        self.now = now

    def begin(self, session: Session) -> None:
        self.stored[session.sid] = session

    def refresh(self, host: int, client: Client, request: Request, *, hold: bool) -> InMemory:
        token = parse(request.token)
        run = self._like.hosts[host].run
        ask = token and Ask(
            token,
            client,
            run.ring(),
            run.policy(client),
            request.key,
            request.scope,
            request.resources,
        )
        return InMemory(self, ask, client, hold=hold)

    def revoke(self, sid: bytes) -> None:
        row = course.ended(self.stored[sid], self.now, EndReason.CLIENT)
        assert row is not None
        self.stored[sid] = row

    def sign_out(self, user: str, *, disable: bool, mark: bool) -> None:
        for sid, row in self.stored.items():
            if row.user_id != user:
                continue
            disabled_at = self.now if disable else row.user_disabled_at
            epoch = row.current_epoch + 1
            new = replace(row, current_epoch=epoch, user_disabled_at=disabled_at)
            ended = course.ended(new, self.now, EndReason.SIGN_OUT_EVERYWHERE) if mark else new
            assert ended is not None
            self.stored[sid] = ended

    def lose(self, sid: bytes, columns: Mapping[str, Any]) -> None:
        self.stored[sid] = replace(
            self.stored[sid],
            generation=columns["gen"],
            secret_id=columns["secret_id"],
            rotated_at=columns["rotated_at"],
            rotation_key_hash=columns["rotation_key_hash"],
            idle_expires_at=columns["idle_expires_at"],
        )


def _read_again(site: Site) -> None:
    """Have the keystore notice its files and rows at once. `forget` would also parse the signing
    key again, which takes longer than fifty refreshes.
    """
    keystore = site.run.keystore
    if keystore._snapshot is not None:
        keystore._snapshot = replace(keystore._snapshot, loaded_at=0)


def seen(session: Session) -> tuple[Any, ...]:
    """A row of the core as `shown` shows a stored one."""
    return (
        session.generation,
        session.secret_id,
        session.rotated_at,
        session.rotation_key_hash,
        session.idle_expires_at,
        session.revoked_at,
        session.revoke_reason,
        session.current_epoch,
        session.user_disabled_at,
    )


def shown(row: Any) -> tuple[Any, ...]:
    swapped = tuple(getattr(row, name) for name in SWAPPED_COLUMNS)
    return (*swapped, row.revoked_at, row.revoke_reason, row.auth_epoch, row.disabled_at)


def set_secret_ids(lane: ServerLane, held: Mapping[int, bytes], now: int) -> None:
    """Make these the secrets that the database knows, all of them active."""
    with lane.hosts[0].run.transactions.begin() as connection:
        connection.execute(delete(SecretIdRow))
        for secret_id, secret in held.items():
            check = check_value(secret)
            derivation_secrets.add(connection, secret_id, SecretState.ACTIVE, now, check)
