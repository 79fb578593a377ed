"""What is known about sessions without asking the rules: who was given which token, when it was
superseded and by whom, what a request could know at its first read, who ended what.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from app.core.clients import Client

SECOND = 1000


@dataclass(frozen=True)
class Turn:
    """One generation of a session: its token, when it began, and the key that proves who rotated.

    `columns` are those of the row at that time, for a fail-over to bring back.
    """

    generation: int
    token: str
    began_at: int
    proof: str | None
    columns: dict[str, Any] = field(repr=False)


@dataclass(eq=False)
class Family:
    """`turns` is what the database holds, less what it lost. `strings` is what anybody was ever
    given, `minted` when; `present` and `successors` forget at every loss. `ended` is the reason
    that holders are told; `touched` counts what happened to the row.
    """

    number: int
    kind: str
    sid: bytes
    public_id: str
    user: str
    client: Client
    scope: str
    resources: tuple[str, ...]
    interval: int
    window: int
    idle_ttl: int
    expires_at: int
    turns: list[Turn]
    strings: dict[str, int] = field(default_factory=dict)
    minted: dict[str, int] = field(default_factory=dict)
    present: dict[int, str] = field(default_factory=dict)
    successors: dict[int, set[str]] = field(default_factory=dict)
    ended: str = ""
    touched: int = 0
    losses: int = 0

    @property
    def usable(self) -> bool:
        """Whether a client could ever refresh it here."""
        return self.kind not in {"bound", "cookie"}

    @property
    def until_used(self) -> bool:
        return self.kind == "until used"

    @property
    def current(self) -> Turn:
        return self.turns[-1]

    def idle_end(self, turn: Turn) -> int:
        return min(turn.began_at + self.idle_ttl, self.expires_at)

    def give(self, token: str, generation: int, now: int) -> None:
        """A client was given a token, perhaps again."""
        self.strings[token] = generation
        self.minted.setdefault(token, now)

    def lose(self, count: int) -> None:
        """Forget the last turns, as the database does; what was given out stays given out."""
        del self.turns[-count:]
        self.present = {turn.generation: turn.token for turn in self.turns}
        self.successors.clear()
        self.losses += 1
        self.touched += 1


class Standing(Enum):
    """Where a genuine token stands among those its session has had."""

    CURRENT = auto()
    PARENT = auto()
    ANCESTOR = auto()
    AHEAD = auto()


@dataclass(frozen=True)
class Sight:
    """A session at the moment when a request read it."""

    now: int
    standing: Standing | None
    turn: Turn
    age: int
    in_window: bool
    proven: bool
    over: str
    touched: int

    @property
    def welcome(self) -> bool:
        """Current, or superseded within the window: must never end a session (I8)."""
        in_time = self.standing is Standing.PARENT and self.in_window
        return not self.over and (self.standing is Standing.CURRENT or in_time)

    @property
    def reused(self) -> bool:
        late = self.standing is Standing.PARENT and not self.in_window and not self.proven
        return not self.over and (self.standing is Standing.ANCESTOR or late)


@dataclass(eq=False)
class Asking:
    """A request: what it presents, and what the host that it reached could compute with."""

    family: Family | None
    text: str
    client: Client
    host: int
    held: frozenset[int]
    retired: frozenset[int]
    active: int
    secret_id: int | None
    named: bytes | None
    key: str | None = None
    scope: str | None = None
    resources: tuple[str, ...] = ()
    sights: list[Sight] = field(default_factory=list)

    @property
    def holder(self) -> bool:
        """Whether an honest client of the session presents what it was given, to a host that can
        tell.
        """
        family = self.family
        return (
            family is not None
            and family.usable
            and self.text in family.strings
            and self.client.client_id == family.client.client_id
            and self.secret_id in self.held
        )

    @property
    def modest(self) -> bool:
        """Whether it asks for no more than was granted."""
        family = self.family
        return self.narrow and set(self.resources) <= set(family.resources if family else ())

    @property
    def narrow(self) -> bool:
        return not self.scope or (
            self.family is not None
            and set(self.scope.split(" ")) <= set(self.family.scope.split(" "))
        )

    @property
    def untouched(self) -> bool:
        """Whether nothing has happened to the row since the first read."""
        assert self.family is not None
        return self.family.touched == self.sights[0].touched

    def look(self, now: int) -> None:
        """Note what a read of the row finds."""
        family = self.family
        if family is None:
            return
        turn, standing = family.current, self._standing(family)
        age = max(0, now - turn.began_at)
        open_ = family.window > 0
        same_key = self.key is not None and self.key == turn.proof
        self.sights.append(
            Sight(
                now=now,
                standing=standing,
                turn=turn,
                age=age,
                in_window=open_ and age <= family.window,
                proven=open_ and (family.until_used or same_key),
                over=self._over(family, now, standing),
                touched=family.touched,
            )
        )

    @staticmethod
    def _over(family: Family, now: int, standing: Standing | None) -> str:
        """Why the session is over, in the words of the contract; empty while it lives."""
        if family.ended:
            return family.ended
        if now >= family.expires_at:
            return "session_expired"
        idle = now >= family.idle_end(family.current) and standing is not Standing.AHEAD
        return "session_idle" if idle else ""

    def _standing(self, family: Family) -> Standing | None:
        generation = family.strings.get(self.text)
        if generation is None:
            return None
        if generation > family.current.generation:
            return Standing.AHEAD
        if generation == family.current.generation:
            return Standing.CURRENT
        behind_by = family.current.generation - generation
        return Standing.PARENT if behind_by == 1 else Standing.ANCESTOR
