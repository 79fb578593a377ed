"""Invariants I1 to I21 of the rotation, one named check each, from facts and from rows.

Nothing here asks `judge`. A check says what must hold *if* something is a fact; it is silent about
everything else, so no single one of them is the decision table again.

Proven elsewhere: I16 (statements and writes) in `tests/races/test_costs.py`, and the half of I14
that kills processes and cuts connections in `tests/flows/test_interruptions.py`. Here: all the
others; I14 for commits that are lost, and in `machine.py` for answers that are lost; I17 in
`patient.py`; I19 in `lockstep.py`.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from tests.model import wire
from tests.model.facts import SECOND, Asking, Family, Sight, Standing, Turn
from tests.model.lanes import Answer
from tests.model.suspended import SWAP

ACCESS_TTL = 300 * SECOND
ENDED = ("revoked_at", "revoke_reason", "purge_at")
ROTATED = ("gen", "secret_id", "rotated_at", "rotation_key_hash", "idle_expires_at", "last_seen_at")
OF_THE_USER = ("auth_epoch", "disabled_at")

Rows = Mapping[bytes, Any]


def rest(row: Any, *changing: str) -> dict[str, Any]:
    """A row without the columns that may change."""
    return {name: value for name, value in row._mapping.items() if name not in changing}


@dataclass
class Scene:
    """One step of one request: the rows before and after, and the answer once there is one.

    `fresh` says that nobody else had touched the row since the request first read it.
    """

    asking: Asking
    now: int
    before: Rows
    after: Rows
    done: list[str]
    fresh: bool
    answer: Answer | None = None
    swapped: Turn | None = None
    audited: int = 0

    @property
    def family(self) -> Family | None:
        return self.asking.family

    @property
    def first(self) -> Sight | None:
        return self.asking.sights[0] if self.asking.sights else None

    @property
    def issued(self) -> bool:
        return self.answer is not None and self.answer.issued

    @property
    def row(self) -> Any:
        assert self.family is not None
        return self.after[self.family.sid]

    @property
    def changes(self) -> list[tuple[Any, Any]]:
        pairs = [(old, self.after[sid]) for sid, old in self.before.items()]
        return [(old, new) for old, new in pairs if old != new]

    @property
    def unchanged(self) -> bool:
        return not self.changes

    def refused(self, error: str, reason: str | None = None) -> bool:
        answer = self.answer
        return answer is not None and (answer.status, answer.reason) == (error, reason)


@dataclass
class Invariants:
    """`met` counts how often a check had something to say."""

    met: Counter[str] = field(default_factory=Counter)

    def at_rest(self, families: list[Family], rows: Rows) -> None:
        """What holds for every row after every operation."""
        self.i01_one_row_for_each_family(families, rows)
        for family in families:
            row = rows[family.sid]
            self.i02_the_generation_is_the_last_that_began(family, row)
            self.i13_the_idle_end_is_never_after_the_absolute_end(family, row)
            self.i20_the_row_remembers_the_key_of_its_rotation(family, row)

    def of_a_request(self, scene: Scene) -> None:
        for check in _OF_A_REQUEST:
            check(self, scene)

    def i01_one_row_for_each_family(self, families: list[Family], rows: Rows) -> None:
        assert sorted(rows) == sorted(family.sid for family in families)

    def i02_the_generation_is_the_last_that_began(self, family: Family, row: Any) -> None:
        assert row.gen == family.current.generation
        assert row.secret_id == wire.read(family.current.token).secret_id

    def i02_the_generation_moves_by_one(self, scene: Scene) -> None:
        for before, after in scene.changes:
            assert after.sid == scene.asking.named, "a request changes its own session only"
            if before.gen == after.gen:
                continue
            self.met["I2"] += 1
            assert scene.issued
            assert scene.done[-1] == SWAP
            ahead = scene.asking.sights[-1].standing is Standing.AHEAD
            assert after.gen == wire.read(scene.asking.text).generation + 1
            assert after.gen == before.gen + 1 or (ahead and after.gen > before.gen)

    def i02_the_current_token_is_superseded_once_it_may_be(self, scene: Scene) -> None:
        asking, first, family = scene.asking, scene.first, scene.family
        if not (scene.answer and asking.holder and asking.modest and scene.fresh):
            return
        assert first is not None
        assert family is not None
        if first.standing is not Standing.CURRENT or first.over:
            return
        if first.turn.generation == 1 or first.age >= family.interval:
            assert scene.swapped is not None, "a refresh that may rotate does"

    def i03_one_string_for_each_generation(self, scene: Scene) -> None:
        if scene.issued and scene.family is not None:
            generation, token = scene.row.gen, scene.answer.token
            assert scene.family.present.setdefault(generation, token) == token

    def i04_an_answer_carries_the_token_of_the_row(self, scene: Scene) -> None:
        if not scene.issued:
            return
        token = wire.read(scene.answer.token)
        assert (token.sid, token.generation) == (scene.row.sid, scene.row.gen)
        assert token.secret_id == scene.row.secret_id

    def i05_all_that_present_one_token_in_the_window_get_one_successor(self, scene: Scene) -> None:
        first, family, asking = scene.first, scene.family, scene.asking
        if first is None or not (scene.answer and asking.holder and asking.modest):
            return
        if not first.welcome:
            return
        if first.standing is Standing.PARENT and _derivable(asking, first.turn):
            self.met["I5"] += 1
            assert scene.issued, "superseded within the window"
            assert scene.swapped is None
        if scene.issued and scene.row.gen == family.strings[asking.text] + 1:
            successors = family.successors.setdefault(scene.row.gen, set())
            successors.add(scene.answer.token)
            assert len(successors) == 1

    def i05_whoever_is_overtaken_gets_the_current_token(self, scene: Scene) -> None:
        first, family, asking = scene.first, scene.family, scene.asking
        if first is None or not (scene.answer and asking.holder and asking.modest):
            return
        if scene.fresh or first.standing is not Standing.CURRENT:
            return
        in_time = family.window > 0 and scene.now - first.now <= family.window
        last = asking.sights[-1]
        alive = not last.over and last.standing is not Standing.AHEAD
        if in_time and alive and scene.row.secret_id in asking.held:
            self.met["I5 overtaken"] += 1
            assert scene.issued
            assert scene.answer.token == family.current.token

    def i06_an_ancestor_ends_the_session(self, scene: Scene) -> None:
        if self._reused(scene) and scene.first.standing is Standing.ANCESTOR:
            self.met["I6"] += 1
            self._ended_for_reuse(scene)

    def i07_a_superseded_token_without_proof_ends_the_session(self, scene: Scene) -> None:
        if self._reused(scene) and scene.first.standing is Standing.PARENT:
            self.met["I7"] += 1
            self._ended_for_reuse(scene)

    def _reused(self, scene: Scene) -> bool:
        if scene.answer is None or scene.first is None:
            return False
        return scene.asking.holder and scene.first.reused

    def _ended_for_reuse(self, scene: Scene) -> None:
        assert scene.refused("invalid_grant", "session_reused")
        before = scene.before[scene.family.sid]
        if before.revoked_at is None:
            assert scene.row.revoke_reason == "token_reused"
            assert scene.audited == 1, "the end and its audit row are one transaction"
            assert rest(before, *ENDED) == rest(scene.row, *ENDED)
        else:
            assert scene.unchanged
            assert scene.audited == 0

    def i08_what_was_welcome_at_first_never_ends_a_session(self, scene: Scene) -> None:
        if scene.first is not None and scene.asking.holder and scene.first.welcome:
            self.met["I8"] += 1
            before = scene.before[scene.family.sid]
            assert [getattr(before, name) for name in ENDED] == [
                getattr(scene.row, name) for name in ENDED
            ]
            assert not scene.refused("invalid_grant", "session_reused") or before.revoked_at

    def i09_nothing_is_issued_once_a_session_is_over(self, scene: Scene) -> None:
        if scene.asking.sights and scene.asking.sights[-1].over:
            self.met["I9"] += 1
            assert not scene.issued
            if scene.asking.holder and scene.first.over and scene.answer:
                assert scene.refused("invalid_grant", scene.first.over)
            if scene.done[-1] != SWAP:
                assert scene.unchanged
        if scene.issued:
            assert scene.row.revoked_at is None

    def i10_what_is_not_the_holders_changes_no_column(self, scene: Scene) -> None:
        asking, family = scene.asking, scene.family
        ours = family is not None and asking.text in family.strings
        if ours and family.kind != "cookie" and asking.client.client_id == family.client.client_id:
            return
        self.met["I10"] += 1
        assert scene.unchanged
        verifiable = asking.secret_id is None or asking.secret_id in asking.held
        assert scene.refused("invalid_grant") or not verifiable
        assert not scene.issued

    def i10_what_is_no_token_costs_no_statement(self, scene: Scene) -> None:
        if scene.asking.secret_id is None:
            self.met["R0"] += 1
            assert scene.done == []
            assert scene.refused("invalid_grant")

    def i11_who_asks_too_much_or_proves_nothing_rotates_nothing(self, scene: Scene) -> None:
        asking, family, first = scene.asking, scene.family, scene.first
        if family is None:
            return
        if family.kind == "bound" and asking.text in family.strings:
            self.met["I11 bound"] += 1
            assert scene.unchanged
            assert not scene.issued
        if not asking.modest:
            assert scene.swapped is None
            assert not scene.issued
            if asking.holder and first.welcome:
                self.met["I11"] += 1
                assert scene.refused("invalid_target" if asking.narrow else "invalid_scope")
                assert scene.unchanged

    def i12_what_was_granted_never_changes(self, scene: Scene) -> None:
        for before, after in scene.changes:
            assert rest(before, *ROTATED, *ENDED) == rest(after, *ROTATED, *ENDED)
        if scene.issued:
            family, asking, claims = scene.family, scene.asking, scene.answer.claims
            assert scene.answer.scope == claims["scope"] == (asking.scope or family.scope)
            wanted = asking.resources or family.resources
            assert claims["aud"] == (wanted[0] if len(wanted) == 1 else list(wanted))

    def i13_the_idle_end_is_never_after_the_absolute_end(self, family: Family, row: Any) -> None:
        assert row.idle_expires_at <= row.expires_at == family.expires_at
        assert row.idle_expires_at == family.idle_end(family.current)
        assert row.rotated_at == family.current.began_at

    def i13_only_a_rotation_prolongs_a_session(self, scene: Scene) -> None:
        for before, after in scene.changes:
            if scene.swapped is None:
                assert rest(before, *ENDED) == rest(after, *ENDED)

    def i14_what_the_database_lost_is_healed(self, scene: Scene) -> None:
        asking, first, family = scene.asking, scene.first, scene.family
        if first is None or not (scene.answer and asking.holder and asking.modest):
            return
        if first.standing is Standing.AHEAD and not first.over and scene.fresh:
            self.met["I14 healed"] += 1
            assert scene.issued
            assert scene.row.gen == family.strings[asking.text] + 1

    def i15_hosts_with_other_secrets_give_one_answer_or_none(self, scene: Scene) -> None:
        asking, family, first = scene.asking, scene.family, scene.first
        if first is None or asking.text not in family.strings or scene.answer is None:
            return
        if asking.client.client_id != family.client.client_id or not family.usable:
            return
        if scene.issued and not scene.swapped:
            self.met["I15"] += wire.read(scene.answer.token).secret_id != asking.active
        if asking.secret_id not in asking.held:
            self._asked_to_come_again(scene, asking.secret_id)
            return
        repeated = first.standing is Standing.PARENT and not first.over and not first.reused
        if repeated and asking.modest and not _derivable(asking, first.turn):
            self._asked_to_come_again(scene, wire.read(first.turn.token).secret_id)

    def _asked_to_come_again(self, scene: Scene, secret_id: int) -> None:
        """Unless the secret is gone for good, there is no `invalid_grant` for want of it."""
        gone = secret_id in scene.asking.retired
        self.met["I15 gone" if gone else "I15 awaited"] += 1
        assert scene.refused("invalid_grant" if gone else "temporarily_unavailable")
        assert scene.unchanged

    def i18_at_most_one_generation_for_each_interval(self, scene: Scene) -> None:
        first, family, asking = scene.first, scene.family, scene.asking
        if first is None or family.interval == 0:
            return
        sight = asking.sights[-1]
        if scene.swapped is not None and sight.standing is not Standing.AHEAD:
            began = sight.turn.began_at
            self.met["I18"] += 1
            assert sight.turn.generation == 1 or scene.row.rotated_at - began >= family.interval
        if sight.turn.generation == 1 or sight.age >= family.interval or sight.over:
            return
        if asking.holder and asking.modest and scene.answer and scene.fresh:
            if sight.standing is Standing.CURRENT and _derivable(asking, sight.turn):
                self.met["I18 too soon"] += 1
                assert scene.issued
                assert scene.answer.token == family.current.token
            assert scene.swapped is None or sight.standing is Standing.AHEAD

    def i20_the_row_remembers_the_key_of_its_rotation(self, family: Family, row: Any) -> None:
        proof = family.current.proof
        hashed = None if proof is None else sha256(family.sid + proof.encode()).digest()
        assert row.rotation_key_hash == hashed

    def i20_who_rotated_is_let_in_while_the_successor_is_current(self, scene: Scene) -> None:
        asking, first, family = scene.asking, scene.first, scene.family
        if first is None or not (scene.answer and asking.holder and asking.modest):
            return
        if first.standing is not Standing.PARENT or first.over or first.in_window:
            return
        if first.proven and _derivable(asking, first.turn):
            self.met["I20 until used" if family.until_used else "I20"] += 1
            assert scene.issued
            assert scene.swapped is None
            assert scene.answer.token == family.current.token
        if not first.proven:
            self.met["I20 another key"] += asking.key is not None
            assert scene.row.revoked_at is not None

    def i21_an_access_token_never_outlives_its_session(self, scene: Scene) -> None:
        if not scene.issued:
            return
        claims, family = scene.answer.claims, scene.family
        signed = [sight.now for sight in scene.asking.sights]
        ends = {min(at + ACCESS_TTL, family.expires_at) // SECOND for at in signed}
        assert claims["exp"] in ends
        assert claims["exp"] * SECOND <= family.expires_at
        assert scene.answer.expires_in == claims["exp"] - claims["iat"]
        assert claims["sid"] == family.public_id
        read_at = scene.asking.sights[-1].now
        left = (scene.row.idle_expires_at - read_at, family.expires_at - read_at)
        assert scene.answer.times_left == tuple(max(0, time // SECOND) for time in left)


def _derivable(asking: Asking, turn: Turn) -> bool:
    return wire.read(turn.token).secret_id in asking.held


_OF_A_REQUEST = [
    check
    for name, check in vars(Invariants).items()
    if name.startswith("i") and "scene" in check.__code__.co_varnames[:2]
]
