"""What is known of one session, as it is written down."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum

from perennial.errors import StorageError
from perennial.store import Kept

FORMAT = 1
MOST_DEBTS = 10
LARGEST = 1e15
Owner = Mapping[str, str | None]
"""Whose session it is: `issuer` and `client_id`, as far as they are known."""


class Standing(str, Enum):
    """Where the session stands. An ended one keeps its tokens: a sibling may know better. ELSEWHERE
    is what is another server's or client's: known by its counters only, and never written.
    """

    ACTIVE = "active"
    ENDED = "ended"
    SIGNED_OUT = "signed_out"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Granted:
    """A token response, in the time of this machine: UTC epoch seconds."""

    issued_at: float
    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    lifetime: float | None = None
    scope: str | None = None
    refresh_until: float | None = None
    session_until: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """`version` rises with every change, `generation` with every new pair of tokens and `epoch`
    with every sign-in and sign-out: it is the time of that in milliseconds, so that a sign-in counts
    as later than those which a store has forgotten. `intent` is the Idempotency-Key that everybody sends with this
    refresh token. `to_revoke` are tokens of which the server has not heard yet that they are over.
    """

    version: int = 0
    epoch: int = 0
    generation: int = 0
    standing: Standing = Standing.SIGNED_OUT
    reason: str | None = None
    started_at: float = 0.0
    issued_at: float = 0.0
    lifetime: float | None = None
    access_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    scope: str | None = None
    refresh_until: float | None = None
    session_until: float | None = None
    intent: str | None = field(default=None, repr=False)
    to_revoke: tuple[str, ...] = field(default=(), repr=False)

    @property
    def active(self) -> bool:
        return self.standing is Standing.ACTIVE

    def newer_than(self, other: "Record") -> bool:
        """Other tokens, or another person: not merely another intent."""
        return (self.epoch, self.generation) > (other.epoch, other.generation)

    def signed_in(self, granted: Granted, *, revoke: bool = False) -> "Record":
        """A new session in the place of this one; `revoke`: whose own token is to be revoked."""
        replaced = (self.refresh_token,) if revoke and self.active and self.refresh_token else ()
        begun = Record(
            epoch=self._later(granted.issued_at),
            started_at=granted.issued_at,
            generation=self.generation,
            version=self.version,
            to_revoke=(*self.to_revoke, *replaced)[-MOST_DEBTS:],
        )
        return begun.renewed(granted)

    def _later(self, now: float) -> int:
        return max(self.epoch + 1, int(now * 1000))

    def renewed(self, granted: Granted) -> "Record":
        """The same session with new tokens. What the server does not repeat stays as it was: a
        refresh token (RFC 6749 §6), a scope (§5.1).
        """
        return replace(
            self,
            version=self.version + 1,
            generation=self.generation + 1,
            standing=Standing.ACTIVE,
            reason=None,
            issued_at=granted.issued_at,
            lifetime=granted.lifetime,
            access_token=granted.access_token,
            refresh_token=granted.refresh_token or self.refresh_token,
            scope=granted.scope or self.scope,
            refresh_until=granted.refresh_until or self.refresh_until,
            session_until=granted.session_until or self.session_until,
            intent=None,
        )

    def since(self, there: "Record") -> "Record":
        """Itself, as the later of two sign-ins or sign-outs."""
        return replace(self, epoch=max(self.epoch, there.epoch + 1))

    def after(self, there: "Record | None") -> "Record":
        """Itself, so numbered that it can follow what a store holds."""
        return self if there is None else replace(self, version=max(self.version, there.version))

    def intending(self, key: str) -> "Record":
        return replace(self, version=self.version + 1, intent=key)

    def ended(self, reason: str) -> "Record":
        return replace(
            self, version=self.version + 1, standing=Standing.ENDED, reason=reason, intent=None
        )

    def signed_out(self, initiator: str, to_revoke: Collection[str], now: float) -> "Record":
        """Nothing remains but the counters, so that nobody takes an old answer for news."""
        return Record(
            version=self.version + 1,
            epoch=self._later(now),
            generation=self.generation,
            reason=initiator,
            to_revoke=tuple(to_revoke)[-MOST_DEBTS:],
        )

    def given_up(self, ended: "Record", now: float) -> "Record":
        """Signed out because nobody signed in again; itself where somebody did."""
        if self.newer_than(ended):
            return replace(self, version=self.version + 1)
        return self.signed_out("server", self.to_revoke, now)

    def owing(self, told: Collection[str], untold: Collection[str]) -> "Record":
        """With the tokens of which the server does not know yet that they are over."""
        left = (*(each for each in self.to_revoke if each not in untold), *untold)
        left = tuple(token for token in left if token not in told)[-MOST_DEBTS:]
        return replace(self, version=self.version + 1, to_revoke=left)

    def kept(self, owner: Owner) -> Kept:
        members = {each.name: getattr(self, each.name) for each in fields(self)}
        return Kept(self.version, json.dumps({"format": FORMAT, **owner, **members}))


def read(kept: Kept, owner: Owner) -> Record:
    """What has another shape counts as signed out, so that a sign-in can replace it. `StorageError`
    for a document of a later format: it is not for us to overwrite. Nothing that belongs to another
    owner leaves this function: its tokens are not for our server.
    """
    try:
        said = json.loads(kept.document)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return Record(version=kept.version)
    written = said.get("format", FORMAT)
    if isinstance(written, int) and written > FORMAT:
        raise StorageError("the session was stored by a later version of this library; update it")
    known = {name: said[name] for name in _SHAPES if name in said}
    if not all(_SHAPES[name](value) for name, value in known.items()):
        return Record(version=kept.version)
    if any(_differ(said.get(name), mine) for name, mine in owner.items()):
        counters = {name: known.get(name, 0) for name in ("epoch", "generation")}
        return Record(kept.version, standing=Standing.ELSEWHERE, reason="sibling", **counters)
    known["standing"] = Standing(known.get("standing", Standing.SIGNED_OUT))
    known["to_revoke"] = tuple(known.get("to_revoke", ()))
    return Record(**{**known, "version": kept.version})


def _differ(theirs: object, mine: str | None) -> bool:
    return isinstance(theirs, str) and mine is not None and theirs != mine


def _count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < LARGEST


def _seconds(value: object) -> bool:
    return isinstance(value, int | float) and -LARGEST < value < LARGEST


def _text(value: object) -> bool:
    return isinstance(value, str)


def _or_none(shape: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or shape(value)


_SHAPES: dict[str, Callable[[object], bool]] = {
    **dict.fromkeys(("version", "epoch", "generation"), _count),
    **dict.fromkeys(("started_at", "issued_at"), _seconds),
    **dict.fromkeys(("lifetime", "refresh_until", "session_until"), _or_none(_seconds)),
    **dict.fromkeys(
        ("reason", "access_token", "refresh_token", "scope", "intent"), _or_none(_text)
    ),
    "standing": lambda value: value in [each.value for each in Standing],
    "to_revoke": lambda value: isinstance(value, list) and all(map(_text, value)),
}
