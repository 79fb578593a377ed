"""The three lanes driven in lockstep: one operation in, the same outcome three times (I19), facts
noted, every invariant checked.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from app.core.binding import Binding
from app.core.clients import AuthMethod, Client, Recovery
from app.core.sessions import Channel, Session
from app.core.status_list import Place
from app.protocol import sign_in
from app.protocol.refresh import Request
from app.protocol.requested import Coverage
from app.store.derivation_secrets import SecretState
from app.store.users import User
from tests.model import wire
from tests.model.facts import SECOND, Asking, Family, Turn
from tests.model.invariants import Invariants, Scene
from tests.model.lanes import Answer, InMemory, InServer, PureLane, ServerLane, seen, shown
from tests.model.suspended import END, LOOK, SWAP
from tests.site import STARTED

DAY = 86_400 * SECOND
SCOPE, RESOURCES = "read write", ("https://a.example", "https://b.example")
INTERVAL = 5 * SECOND
SECRETS = {number: sha256(b"secret %d" % number).digest() for number in (1, 2, 3)}
HELD_AT_FIRST = ({1, 2, 3}, {1, 2})
KINDS = ("plain",) * 3 + ("paced",) * 2 + ("until used",) * 2 + ("bound", "cookie")
_STAGES = {"READ": LOOK, "LOOK_AGAIN": LOOK, "SWAP": SWAP, "END": END}


def _client(name: str, **more: Any) -> Client:
    methods = frozenset({AuthMethod.BASIC})
    grants = frozenset({"password", "refresh_token"})
    return Client(name, name, methods, grants=grants, scope=SCOPE, **more)


PLAIN = _client("plain")
STRANGER = _client("stranger")
CLIENTS = {
    "plain": PLAIN,
    "paced": _client("paced", min_interval=INTERVAL),
    "until used": _client("until-used", recovery=Recovery.UNTIL_USED),
    "bound": PLAIN,
    "cookie": PLAIN,
}
EVERY_CLIENT = {client.client_id: client for client in (*CLIENTS.values(), STRANGER)}


@dataclass
class Pending:
    """A request in all lanes at once, and what is known about it."""

    asking: Asking
    courses: tuple[InMemory, InServer, InServer]

    @property
    def waits_for(self) -> str | None:
        return self.courses[1].waits_for

    @property
    def answers(self) -> list[Answer | None]:
        return [course.answer for course in self.courses]


class Lockstep:
    """`window` is W in milliseconds; `reached` counts the rules that answered."""

    def __init__(self, servers: tuple[ServerLane, ServerLane], window: int) -> None:
        self.servers, self.window = servers, window
        self.core = PureLane(servers[0])
        self.invariants = Invariants()
        self.reached: Counter[str] = Counter()
        self.steps = self.runs = self.requests = 0

    # --- a run ------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Forget everything that an earlier run did."""
        self.runs += 1
        self.families: list[Family] = []
        self.pending: list[Pending] = []
        self.epochs: dict[str, int] = {}
        self.disabled: set[str] = set()
        self.held = [set(), set()]
        self.retired: set[int] = set()
        self.now = 0
        for lane in (self.core, *self.servers):
            lane.clear()
        for server in self.servers:
            server.set_secret_state(1, SecretState.ACTIVE)
        self.set_clock(STARTED + DAY)
        for host, held in enumerate(HELD_AT_FIRST):
            self.give_secrets(host, held)
        self.rows: Mapping[bytes, Any] = {}
        self.reuses = 0

    def end(self) -> None:
        while self.pending:
            self.finish(self.pending[0])
        assert len({server.reuses() for server in self.servers}) == 1

    # --- time, secrets ----------------------------------------------------------------------------

    def set_clock(self, now: int) -> None:
        self.now = now
        for lane in (self.core, *self.servers):
            lane.set_clock(now)

    def give_secrets(self, host: int, held: set[int]) -> None:
        if held != self.held[host]:
            self.held[host] = held
            for server in self.servers:
                server.give_secrets(host, {number: SECRETS[number] for number in held})

    def retire_secret(self, number: int) -> None:
        self.retired.add(number)
        for server in self.servers:
            server.set_secret_state(number, SecretState.RETIRED)

    # --- sessions ---------------------------------------------------------------------------------

    @property
    def alive(self) -> list[Family]:
        return [family for family in self.families if not family.ended]

    def sign_in(self, kind: str, host: int) -> Family:
        """For two sessions of a person in turn, unless the account is disabled."""
        number, client = len(self.families), CLIENTS[kind]
        user = f"user-{number // 2}"
        if user in self.disabled:
            user = f"successor-of-{user}"
        self.epochs.setdefault(user, 0)
        drafts = [self._draft(server, kind, host, number, user) for server in self.servers]
        assert drafts[0] == drafts[1], "I19"
        session = drafts[0]
        self.core.begin(session)
        answers = [server.begin(host, client, session) for server in self.servers]
        assert answers[0] == answers[1], "I19"
        token = answers[0].token
        assert token is not None
        family = self._family(number, kind, session, client)
        family.give(token, 1, self.now)
        family.turns[0] = replace(family.turns[0], token=token)
        family.present = {1: token}
        self.families.append(family)
        self._settle()
        columns = self._columns(self.rows[family.sid])
        family.turns[0] = replace(family.turns[0], columns=columns)
        return family

    def _draft(self, server: ServerLane, kind: str, host: int, number: int, user: str) -> Session:
        run = server.hosts[host].run
        person = User(user, user, None, None, self.epochs[user], None)
        covered = Coverage(scope=SCOPE, resources=RESOURCES)
        session = sign_in.draft(run, CLIENTS[kind], person, covered, self.now)
        seed = sha256(b"session %d" % number).digest()
        return replace(
            session,
            sid=seed[:16],
            public_id=seed.hex()[:32],
            salt=seed,
            binding=Binding.JKT if kind == "bound" else Binding.NONE,
            channel=Channel.COOKIE if kind == "cookie" else Channel.BODY,
            status=Place(1, number),
        )

    def _family(self, number: int, kind: str, session: Session, client: Client) -> Family:
        return Family(
            number=number,
            kind=kind,
            sid=session.sid,
            public_id=session.public_id,
            user=session.user_id,
            client=client,
            scope=session.scope,
            resources=RESOURCES,
            interval=min(client.min_interval, self.window),
            window=self.window,
            idle_ttl=session.idle_ttl,
            expires_at=session.expires_at,
            turns=[Turn(1, "", self.now, None, {})],
        )

    def revoke(self, family: Family) -> None:
        """By its client, with a token of any generation that this host can verify."""
        for server in self.servers:
            server.revoke(family.current.token)
        self.core.revoke(family.sid)
        family.ended = family.ended or "session_ended"
        family.touched += 1
        self._settle()

    def sign_out(self, user: str, *, disable: bool, mark: bool) -> None:
        for lane in (self.core, *self.servers):
            lane.sign_out(user, disable=disable, mark=mark)
        self.epochs[user] += 1
        if disable:
            self.disabled.add(user)
        for family in self.families:
            if family.user == user:
                family.ended = family.ended or "session_ended"
                family.touched += 1
        self._settle()

    def lose_commits(self, family: Family, count: int) -> None:
        """A fail-over to a standby that had not received the last rotations."""
        family.lose(count)
        for lane in (self.core, *self.servers):
            lane.lose(family.sid, family.current.columns)
        self._settle()

    # --- requests ---------------------------------------------------------------------------------

    def request(
        self,
        text: str,
        client: Client,
        host: int,
        *,
        malformed: bool = False,
        hold: bool = False,
        **more: Any,
    ) -> Pending:
        """A refresh; held before its swap, if there is one and `hold` is wished."""
        token = None if malformed else wire.read(text)
        named = None if token is None else token.sid
        asking = Asking(
            family=next((one for one in self.families if one.sid == named), None),
            text=text,
            client=client,
            host=host,
            held=frozenset(self.held[host] - self.retired),
            retired=frozenset(self.retired),
            active=self.servers[0].ring(host).active,
            secret_id=None if token is None else token.secret_id,
            named=named,
            **more,
        )
        if named is not None:
            asking.look(self.now)
        request = Request(text, asking.scope, asking.resources, asking.key)
        self.requests += 1
        pending = Pending(
            asking,
            tuple(
                lane.refresh(host, client, request, hold=hold)
                for lane in (self.core, *self.servers)
            ),
        )
        self._observe(pending, list(pending.courses[1].statements))
        if pending.waits_for is not None:
            self.pending.append(pending)
        return pending

    def present(self, text: str, client: Client, host: int, **more: Any) -> Answer:
        """A refresh that is not held."""
        answer = self.request(text, client, host, **more).answers[1]
        assert answer is not None
        return answer

    def advance(self, pending: Pending) -> Answer | None:
        """Let one statement of a held request happen."""
        statement = pending.waits_for
        assert statement is not None
        if statement == LOOK:
            pending.asking.look(self.now)
        for course in pending.courses:
            course.step()
        self._observe(pending, [statement])
        if pending.waits_for is None:
            self.pending.remove(pending)
        return pending.answers[1]

    def finish(self, pending: Pending) -> Answer:
        while (answer := self.advance(pending)) is None:
            pass
        return answer

    def _observe(self, pending: Pending, done: list[str]) -> None:
        """Note what a step did, then check it. The lanes are compared last, so that a broken rule
        is reported by the invariant that it breaks.
        """
        asking, answer = pending.asking, pending.answers[1]
        family, before = asking.family, self.rows
        self._read()
        scene = Scene(
            asking=asking,
            now=self.now,
            before=before,
            after=self.rows,
            done=done,
            fresh=bool(asking.sights) and asking.untouched,
            answer=answer,
        )
        if END in done:
            scene.audited = self.servers[0].reuses() - self.reuses
            self.reuses += scene.audited
        if answer is not None:
            self.reached[answer.rule] += 1
        if family is not None and scene.changes:
            self._note(family, scene)
        self.invariants.of_a_request(scene)
        self.i19_every_lane_answers_the_same(pending)
        self._at_rest()

    def _note(self, family: Family, scene: Scene) -> None:
        """The request changed its session: it has rotated it, or ended it."""
        family.touched += 1
        row, asking = self.rows[family.sid], scene.asking
        if row.revoked_at is not None:
            family.ended = "session_reused"
        if row.gen != scene.before[family.sid].gen and scene.issued:
            sight, key = asking.sights[-1], asking.key
            assert scene.answer is not None
            assert scene.answer.token is not None
            scene.swapped = Turn(
                row.gen,
                scene.answer.token,
                sight.now,
                None if key == sight.turn.proof else key,
                self._columns(row),
            )
            family.turns.append(scene.swapped)
            family.give(scene.answer.token, row.gen, self.now)

    @staticmethod
    def _columns(row: Any) -> dict[str, Any]:
        names = ("gen", "secret_id", "rotated_at", "rotation_key_hash", "idle_expires_at")
        return {name: getattr(row, name) for name in (*names, "last_seen_at")}

    # --- the same in all lanes (I19) --------------------------------------------------------------

    def i19_every_lane_answers_the_same(self, pending: Pending) -> None:
        core, sqlite, postgresql = pending.courses
        assert core.answer == sqlite.answer == postgresql.answer, "I19"
        assert sqlite.waits_for == postgresql.waits_for, "I19"
        executed = [_STAGES[stage] for stage in core.statements]
        assert executed == sqlite.statements == postgresql.statements, "I19"
        if sqlite.answer is not None and sqlite.answer.claims is not None:
            assert postgresql.answer is not None
            assert postgresql.answer.claims is not None
            both = [dict(sqlite.answer.claims), dict(postgresql.answer.claims)]
            assert both[0].pop("jti") != both[1].pop("jti")
            assert both[0] == both[1], "I19"

    def _read(self) -> None:
        self.rows, self._others = (server.rows() for server in self.servers)

    def _settle(self) -> None:
        self._read()
        self._at_rest()

    def _at_rest(self) -> None:
        """After every operation: the rows of all lanes agree and are as facts say."""
        self.i19_every_lane_holds_the_same()
        self.invariants.at_rest(self.families, self.rows)

    def i19_every_lane_holds_the_same(self) -> None:
        assert self.rows == self._others, "I19"
        core = {sid: seen(session) for sid, session in self.core.stored.items()}
        assert core == {sid: shown(row) for sid, row in self.rows.items()}, "I19"
