import pytest

from clients.conformance.configuration import Configuration
from clients.conformance.families import Families, Verdict

KEY = "a key of the first token"


class Line:
    """One family, and the shortest words for what happens to it."""

    def __init__(self, mode, **settings):
        self.rules = Configuration.of({"mode": mode, "window": 10, **settings})
        self.families = Families()
        self.family = self.families.begin("ana", "app", "read", 0, self.rules)

    def present(self, generation, at, key=None, client="app"):
        token = self.family.tokens[generation - 1]
        return self.families.refresh(token, client, key, at, self.rules)

    def verdict(self, *presentation, **how):
        return self.present(*presentation, **how).verdict


@pytest.fixture(params=["strict", "window", "successor"])
def rotating(request):
    return Line(request.param)


def test_the_current_token_is_rotated(rotating):
    assert rotating.verdict(1, 1) is Verdict.ROTATED
    assert rotating.verdict(2, 2) is Verdict.ROTATED
    assert rotating.family.generation == 3


def test_an_older_ancestor_ends_the_family(rotating):
    rotating.present(1, 1)
    rotating.present(2, 2)
    assert rotating.verdict(1, 2) is Verdict.REUSED
    assert rotating.present(3, 2).reason == "session_reused"


def test_a_token_of_another_client_changes_nothing(rotating):
    rotating.present(1, 1)
    assert rotating.verdict(1, 1, client="other") is Verdict.REFUSED
    assert rotating.family.over(1) is None


def test_strict_ends_the_family_at_the_first_repetition():
    line = Line("strict")
    line.present(1, 1, KEY)
    assert line.verdict(1, 1, KEY) is Verdict.REUSED


@pytest.mark.parametrize("mode", ["window", "successor"])
def test_the_window_is_counted_from_the_rotation(mode):
    line = Line(mode)
    line.present(1, 5)
    assert line.verdict(1, 15) is Verdict.REPEATED
    assert line.family.generation == 2
    assert line.verdict(1, 15.1) is Verdict.REUSED


def test_the_same_key_gets_the_successor_at_any_time():
    line = Line("successor")
    line.present(1, 1, KEY)
    assert line.verdict(1, 80_000, KEY) is Verdict.REPEATED


def test_another_key_or_none_proves_nothing_after_the_window():
    for key in (None, "a key of somebody else"):
        line = Line("successor")
        line.present(1, 1, KEY)
        assert line.verdict(1, 20, key) is Verdict.REUSED


def test_a_key_proves_nothing_once_the_successor_was_used():
    line = Line("successor")
    line.present(1, 1, KEY)
    line.present(2, 2, "a key of the second token")
    assert line.verdict(1, 3, KEY) is Verdict.REUSED


def test_a_key_that_comes_with_two_tokens_proves_nothing():
    line = Line("successor")
    line.present(1, 1, KEY)
    line.present(2, 2, KEY)
    assert line.verdict(2, 20, KEY) is Verdict.REUSED


def test_a_window_does_not_ask_for_keys():
    line = Line("window")
    line.present(1, 1, KEY)
    assert line.verdict(1, 20, KEY) is Verdict.REUSED


def test_a_fixed_token_stays_the_same():
    line = Line("fixed")
    assert [line.verdict(1, at) for at in (1, 2, 3)] == [Verdict.KEPT] * 3
    assert line.family.generation == 1


def test_a_family_ends_when_it_is_not_used(rotating):
    assert rotating.present(1, 86_400).reason == "session_idle"


def test_a_rotation_begins_the_idle_time_again():
    line = Line("successor", idle=100)
    line.present(1, 90)
    assert line.verdict(2, 180) is Verdict.ROTATED


def test_a_repetition_does_not_begin_the_idle_time_again():
    line = Line("successor", idle=100)
    line.present(1, 0, KEY)
    line.present(1, 90, KEY)
    assert line.present(2, 100).reason == "session_idle"


def test_nothing_outlives_the_absolute_end():
    line = Line("fixed", idle=60, absolute=100)
    line.present(1, 50)
    line.present(1, 99)
    assert line.present(1, 100).reason == "session_expired"


def test_the_first_ending_is_the_one_that_is_told(rotating):
    rotating.family.end("session_ended", 1)
    assert not rotating.family.end("session_reused", 2)
    assert rotating.present(1, 3).reason == "session_ended"


def test_no_token_is_in_what_a_family_prints(rotating):
    assert rotating.family.tokens[0] not in repr(rotating.family)
