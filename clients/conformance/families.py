"""Families of refresh tokens: one sign-in, and every token that descends from it. No I/O, no clock."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from clients.conformance.configuration import Configuration, Mode

# Every secret contains it, so that a runner finds leaks by looking for one word.
MARK = "cft_"


class Verdict(StrEnum):
    ROTATED = "rotated"
    REPEATED = "repeated"  # the same successor once more
    KEPT = "kept"  # a new access token beside the same refresh token
    REFUSED = "refused"
    REUSED = "reused"  # refused, and the family ends for it


@dataclass(slots=True)
class Family:
    id: str
    user: str
    client_id: str
    scope: str
    started: float
    idle_ends: float
    ends: float
    rotated_at: float
    tokens: list[str] = field(default_factory=list, repr=False)
    rotation_key: str | None = None
    ended: str | None = None
    ended_at: float | None = None
    by_client: bool = False

    @property
    def generation(self) -> int:
        return len(self.tokens)

    def over(self, now: float) -> str | None:
        """Why nothing can be got from it any more."""
        if self.ended is not None:
            return self.ended
        if now >= self.ends:
            return "session_expired"
        return "session_idle" if now >= self.idle_ends else None

    def end(self, reason: str, now: float, *, by_client: bool = False) -> bool:
        """The first ending counts. False: it had ended before."""
        if self.ended is not None:
            return False
        self.ended, self.ended_at, self.by_client = reason, now, by_client
        return True


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    family: Family | None = None
    generation: int = 0  # the one presented
    reason: str | None = None


def judge(
    family: Family, generation: int, key: str | None, now: float, rules: Configuration
) -> Verdict:
    """What a living family answers to its token of a generation; changes nothing."""
    behind = family.generation - generation
    if rules.mode is Mode.FIXED and behind == 0:
        return Verdict.KEPT
    if behind == 0:
        return Verdict.ROTATED
    if behind > 1 or rules.mode in {Mode.STRICT, Mode.FIXED}:
        return Verdict.REUSED
    if now - family.rotated_at <= rules.window:
        return Verdict.REPEATED
    proven = rules.mode is Mode.SUCCESSOR and key is not None and key == family.rotation_key
    return Verdict.REPEATED if proven else Verdict.REUSED


class Families:
    """All of one server. Its caller sees to it that one thread at a time is inside."""

    def __init__(self) -> None:
        self._all: dict[str, Family] = {}
        self._by_token: dict[str, tuple[Family, int]] = {}

    def __iter__(self) -> Iterator[Family]:
        return iter(self._all.values())

    def begin(
        self, user: str, client_id: str, scope: str, now: float, rules: Configuration
    ) -> Family:
        ends = _after(now, rules.absolute)
        family = Family(
            id=f"f{len(self._all) + 1}",
            user=user,
            client_id=client_id,
            scope=scope,
            started=now,
            idle_ends=min(_after(now, rules.idle), ends),
            ends=ends,
            rotated_at=now,
        )
        self._all[family.id] = family
        self._add_token(family)
        return family

    def find(self, token: str, client_id: str) -> tuple[Family, int] | None:
        """The family and the generation of a token that was issued to this client."""
        found = self._by_token.get(token)
        return found if found and found[0].client_id == client_id else None

    def refresh(
        self, token: str, client_id: str, key: str | None, now: float, rules: Configuration
    ) -> Judgement:
        found = self.find(token, client_id)
        if found is None:
            return Judgement(Verdict.REFUSED)
        family, generation = found
        reason = family.over(now)
        if reason is not None:
            return Judgement(Verdict.REFUSED, family, generation, reason)
        verdict = judge(family, generation, key, now, rules)
        if verdict is Verdict.REUSED:
            family.end("session_reused", now)
            return Judgement(verdict, family, generation, "session_reused")
        if verdict is Verdict.ROTATED:
            self._rotate(family, key, now)
        if verdict is not Verdict.REPEATED:
            family.idle_ends = min(_after(now, rules.idle), family.ends)
        return Judgement(verdict, family, generation)

    def _rotate(self, family: Family, key: str | None, now: float) -> None:
        # A key that comes with two tokens proves nothing about either.
        family.rotation_key = None if key == family.rotation_key else key
        family.rotated_at = now
        self._add_token(family)

    def _add_token(self, family: Family) -> None:
        token = f"{MARK}rt_{family.id}_{family.generation + 1}_{secrets.token_urlsafe(18)}"
        family.tokens.append(token)
        self._by_token[token] = (family, family.generation)


def _after(now: float, seconds: float | None) -> float:
    return float("inf") if seconds is None else now + seconds
