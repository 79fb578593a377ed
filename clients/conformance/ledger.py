"""What happened, and the numbers that every client is judged by. Holds no token."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from clients.conformance.families import Families, Family, Judgement, Verdict


@dataclass(slots=True)
class Ledger:
    """Its caller sees to it that one thread at a time is inside."""

    counts: Counter[str] = field(default_factory=Counter)
    events: list[dict[str, object]] = field(default_factory=list)
    _keys: dict[str, set[tuple[str, int]]] = field(default_factory=lambda: defaultdict(set))
    _at_once: int = 0

    def note(self, at: float, event: str, **members: object) -> None:
        self.events.append({"at": round(at, 3), "event": event, **members})

    def arrived(self) -> None:
        """A refresh is being answered."""
        self._at_once += 1
        self.counts["refreshes_at_once"] = max(self.counts["refreshes_at_once"], self._at_once)

    def left(self) -> None:
        self._at_once -= 1

    def signed_in(self, now: float, family: Family, earlier: Iterable[Family]) -> None:
        """Forced: the person's last session with this client was still good, or was taken away
        because a token came twice.
        """
        self.counts["sign_ins"] += 1
        theirs = [f for f in earlier if (f.user, f.client_id) == (family.user, family.client_id)]
        forced = bool(theirs) and theirs[-1].over(now) in {None, "session_reused"}
        self.counts["forced_sign_ins"] += forced
        self.note(now, "sign_in", family=family.id, user=family.user, forced=forced)

    def judged(self, now: float, judgement: Judgement, key: str | None) -> None:
        family = judgement.family
        name = family.id if family else None
        generation = judgement.generation
        self.counts[_COUNTED[judgement.verdict]] += 1
        self.counts["family_kills"] += judgement.verdict is Verdict.REUSED
        if key is not None and family is not None:
            self._keys[key].add((family.id, generation))
        self.note(
            now,
            str(judgement.verdict),
            family=name,
            generation=generation,
            reason=judgement.reason,
            keyed=key is not None,
        )

    def summary(self, families: Families, now: float, access: float) -> dict[str, object]:
        """`counts` has every number that `expect_log` may name."""
        elapsed = sum(_alive(family, now) / access for family in families) if access else 0.0
        numbers = {name: self.counts[name] for name in COUNTED}
        numbers["alive"] = sum(family.over(now) is None for family in families)
        numbers["keys"] = len(self._keys)
        numbers["keys_shared"] = sum(len(tokens) > 1 for tokens in self._keys.values())
        return {
            "counts": {**numbers, "lifetimes": round(elapsed, 3)},
            "keys": {key: len(tokens) for key, tokens in self._keys.items()},
            "families": [_told(family, now) for family in families],
            "events": list(self.events),
        }


def _alive(family: Family, now: float) -> float:
    ends = (now, family.idle_ends, family.ends, family.ended_at or now)
    return max(0.0, min(ends) - family.started)


def _told(family: Family, now: float) -> dict[str, object]:
    return {
        "family": family.id,
        "user": family.user,
        "client_id": family.client_id,
        "generation": family.generation,
        "over": family.over(now),
        "by_client": family.by_client,
    }


_COUNTED = {
    Verdict.ROTATED: "rotations",
    Verdict.REPEATED: "replays",
    Verdict.KEPT: "kept",
    Verdict.REFUSED: "refused",
    Verdict.REUSED: "refused",
}
COUNTED = (
    "sign_ins",
    "forced_sign_ins",
    "rotations",
    "replays",
    "kept",
    "refused",
    "family_kills",
    "token_requests",
    "refresh_requests",
    "refreshes_at_once",
    "revocations",
    "api_requests",
    "api_served",
    "api_refused",
    "metadata_requests",
    "access_as_refresh",
    "leaks",
)
