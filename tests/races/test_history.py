"""The judge of the races: it passes what a correct server can do and finds each kind of fault."""

import pytest

from tests.races.history import ENDED, End, Look, Refresh, Token, violations

WINDOW = 60


def token(generation, fork=""):
    return Token(f"refresh-{generation}{fork}", generation)


ACCESS = Token("access")


def refresh(began, ended, presented, given=None, *, fork="", status=200, reason=None):
    """The refresh of `presented` that was given generation `given`, or was refused."""
    pair = None if given is None else (token(given, fork), ACCESS)
    return Refresh("s", began, ended, token(presented), status, reason, pair)


def over(began, ended, presented, reason=ENDED, status=400):
    return refresh(began, ended, presented, status=status, reason=reason)


def look(began, ended, seen, *, active):
    return Look("s", began, ended, seen, active)


def end(began, ended, family="s"):
    return End(frozenset({family}), began, ended, "revoke")


ROTATED = [refresh(0, 1, 1, 2), refresh(2, 3, 2, 3)]

POSSIBLE = {
    "nothing": [],
    "one after another": ROTATED,
    "a crowd gets one successor": [refresh(0, 3, 1, 2), refresh(1, 2, 1, 2), refresh(1, 4, 1, 2)],
    "overtaken, and given the newest": [refresh(0, 9, 1, 3), refresh(1, 2, 1, 2), *ROTATED[1:]],
    "refused once the end has begun": [*ROTATED, end(4, 9), over(5, 6, 3)],
    "served while the end is under way": [end(0, 9), refresh(1, 8, 1, 2)],
    "another session's end": [end(0, 1, "other"), refresh(2, 3, 1, 2)],
    "looks at current, parent and grandparent": [
        *ROTATED,
        look(4, 5, token(3), active=True),
        look(4, 5, token(2), active=True),
        look(4, 5, token(1), active=False),
        look(4, 5, ACCESS, active=True),
    ],
    "a parent after the window": [*ROTATED, look(64, 65, token(2), active=False)],
    "a parent about when the window closes": [
        *ROTATED,
        look(62, 64, token(2), active=True),
        look(62, 64, token(2), active=False),
    ],
    "a grandparent-to-be, while somebody rotates": [
        refresh(0, 1, 1, 2),
        refresh(2, 9, 2, 3),
        look(3, 4, token(1), active=True),
        look(3, 4, token(1), active=False),
        look(3, 4, token(2), active=True),
    ],
    "looks while the end is under way": [
        *ROTATED,
        end(4, 9),
        look(5, 6, token(3), active=True),
        look(5, 6, token(3), active=False),
        look(10, 11, ACCESS, active=False),
    ],
}

IMPOSSIBLE = {
    "2 refresh tokens of generation 2": [refresh(0, 3, 1, 2), refresh(1, 2, 1, 2, fork="b")],
    "generation 2 given after 3": [*ROTATED, refresh(4, 5, 2, 2)],
    "generation 3 given before anyone presented 2": [refresh(0, 1, 1, 3)],
    "generation 1 is refreshed after the end": [end(0, 1), refresh(2, 3, 1, 2)],
    "an honest refresh is answered 400 session_idle": [
        end(0, 1),
        over(2, 3, 1, "session_idle"),
    ],
    "a refresh token is active after the end": [end(0, 1), look(2, 3, token(1), active=True)],
    "an access token is active after the end": [end(0, 1), look(2, 3, ACCESS, active=True)],
    "an honest refresh is answered 400 session_ended": [over(0, 1, 1), end(2, 3)],
    "an honest refresh is answered 400 session_reused": [
        end(0, 3),
        over(1, 2, 1, "session_reused"),
    ],
    "an honest refresh is answered 503 None": [over(0, 1, 1, None, 503)],
    "an access token of a living session is inactive": [look(0, 1, ACCESS, active=False)],
    "generation 1 is active beside 3": [*ROTATED, look(4, 5, token(1), active=True)],
    "generation 2 is active beside 3": [*ROTATED, look(64, 65, token(2), active=True)],
    "generation 2 is inactive beside 3": [*ROTATED, look(4, 5, token(2), active=False)],
    "generation 3 is inactive beside 3": [*ROTATED, look(4, 5, token(3), active=False)],
}


@pytest.mark.parametrize("history", POSSIBLE.values(), ids=POSSIBLE)
def test_what_a_correct_server_can_do_passes(history):
    assert violations(history, window=WINDOW) == []


@pytest.mark.parametrize(("fault", "history"), IMPOSSIBLE.items(), ids=IMPOSSIBLE)
def test_what_no_correct_server_can_do_is_found(fault, history):
    assert violations(history, window=WINDOW) == [f"s: {fault}"]


def test_somebody_who_was_told_of_the_end_proves_it_before_its_author_has_the_answer():
    """A second worker that has not noticed yet serves what the first has refused already."""
    history = [end(0, 9), over(1, 2, 1), refresh(3, 4, 1, 2)]
    found = violations(history, window=WINDOW)
    assert found == ["s: generation 1 is refreshed after the end"]


def test_sessions_are_judged_apart():
    other = Refresh("other", 0, 1, token(1), 200, None, (token(2, "b"), ACCESS))
    assert violations([refresh(0, 1, 1, 2), other], window=WINDOW) == []
