"""What is known of one session, as it is written down."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any

from perennial.errors import StorageError
from perennial.store import Kept

FORMAT = 1


class Standing(str, Enum):
    """Where the session stands. An ended one keeps its tokens: a sibling may know better."""

    ACTIVE = "active"
    ENDED = "ended"
    SIGNED_OUT = "signed_out"


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
    with every sign-in and sign-out. `intent` is the Idempotency-Key that everybody sends with this
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

    def signed_in(self, granted: Granted) -> "Record":
        """A new session in the place of this one."""
        begun = Record(
            epoch=self.epoch + 1,
            started_at=granted.issued_at,
            generation=self.generation,
            version=self.version,
            to_revoke=self.to_revoke,
        )
        return begun.renewed(granted)

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

    def intending(self, key: str) -> "Record":
        return replace(self, version=self.version + 1, intent=key)

    def ended(self, reason: str) -> "Record":
        return replace(
            self, version=self.version + 1, standing=Standing.ENDED, reason=reason, intent=None
        )

    def signed_out(self, initiator: str, to_revoke: tuple[str, ...]) -> "Record":
        """Nothing remains but the counters, so that nobody takes an old answer for news."""
        return Record(
            version=self.version + 1,
            epoch=self.epoch + 1,
            generation=self.generation,
            reason=initiator,
            to_revoke=to_revoke,
        )

    def given_up(self, ended: "Record") -> "Record":
        """Signed out because nobody signed in again; itself where somebody did."""
        if self.newer_than(ended):
            return replace(self, version=self.version + 1)
        return self.signed_out("server", self.to_revoke)

    def without(self, told: Collection[str]) -> "Record":
        left = tuple(token for token in self.to_revoke if token not in told)
        return replace(self, version=self.version + 1, to_revoke=left)

    def kept(self) -> Kept:
        said = {"format": FORMAT, **{each.name: getattr(self, each.name) for each in fields(self)}}
        return Kept(self.version, json.dumps(said))


def read(kept: Kept) -> Record:
    """`StorageError` for a document of a later format: it is not for us to overwrite."""
    said: dict[str, Any] = json.loads(kept.document)
    if said.get("format", FORMAT) > FORMAT:
        raise StorageError("the session was stored by a later version of this library; update it")
    known = {each.name: said[each.name] for each in fields(Record) if each.name in said}
    known["standing"] = Standing(known.get("standing", Standing.SIGNED_OUT))
    known["to_revoke"] = tuple(known.get("to_revoke", ()))
    return Record(**{**known, "version": kept.version})
