import multiprocessing
import queue
import threading
import time
import unicodedata

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.passwords import Busy, Gate, Passwords, Verified
from tests.quick import HOUSE_COST

RIGHT = "correct horse battery staple"
HUNG = 10  # seconds after which something that should happen never will

fork = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True, scope="module")
def house_cost():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.services.passwords.COST", HOUSE_COST)
        yield


@pytest.fixture(scope="module")
def passwords(house_cost):
    return Passwords()


@pytest.fixture(scope="module")
def stored(passwords):
    return passwords.hash(RIGHT)


# --- hashes ---------------------------------------------------------------------------------------


def test_a_hash_is_argon2id_with_the_parameters_of_the_house(stored):
    parameters = extract_parameters(stored)
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19456, 2, 1)


def test_one_password_never_has_the_same_hash_twice(passwords, stored):
    assert passwords.hash(RIGHT) != stored


def test_the_right_password_is_ok_and_needs_no_new_hash(passwords, stored):
    assert passwords.verify(stored, RIGHT) == Verified(ok=True)


def test_a_wrong_password_is_not_ok_and_says_nothing_else(passwords, stored):
    assert passwords.verify(stored, RIGHT + " ") == Verified(ok=False)


def test_an_unknown_user_is_never_ok(passwords):
    assert passwords.verify(None, RIGHT) == Verified(ok=False)
    assert passwords.verify(None, "") == Verified(ok=False)


@pytest.mark.parametrize(
    "outdated",
    [
        PasswordHasher(memory_cost=64, time_cost=2, parallelism=1),
        PasswordHasher(memory_cost=19456, time_cost=2, parallelism=1, type=Type.I),
        PasswordHasher(memory_cost=19456, time_cost=2, parallelism=1, hash_len=16),
    ],
    ids=["cheaper", "argon2i", "shorter"],
)
def test_a_hash_of_older_parameters_is_replaced_when_its_user_signs_in(passwords, outdated):
    old = outdated.hash(RIGHT)
    verified = passwords.verify(old, RIGHT)
    assert verified.ok
    assert passwords.verify(verified.new_hash, RIGHT) == Verified(ok=True)
    assert passwords.verify(old, "wrong") == Verified(ok=False)


DAMAGED = {
    "empty": "",
    "another scheme": "$2b$12$abcdefghijklmnopqrstuuJ7sXK2bO8yq9kVt0nqk1x3l5m7n9p1r",
    "plain": RIGHT,
    "cut": "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA",
    "no salt": "$argon2id$v=19$m=19456,t=2,p=1$$",
    "no memory": "$argon2id$v=19$m=0,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
    "all memory": "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
    "not a number": "$argon2id$v=19$m=x,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
    "not ASCII": "$argon2id$v=19$m=19456,t=2,p=1$ü$ü",
    "surrogate": "\ud800",
    "nul": "\0",
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_hash_is_not_ok_and_reported(passwords, damaged):
    assert passwords.verify(damaged, RIGHT) == Verified(ok=False, damaged=True)


def test_a_hash_with_something_after_it_is_damaged(passwords, stored):
    assert passwords.verify(stored + "\0$", RIGHT) == Verified(ok=False, damaged=True)


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=80), st.text(max_size=20))
def test_no_stored_text_and_no_password_raise(passwords, text, password):
    assert not passwords.verify(text, password).ok
    assert not passwords.verify("$argon2id$v=19$" + text, password).ok


# --- equal work -----------------------------------------------------------------------------------


def seconds_of(passwords, stored, password):
    """Processor time of this thread, the best of five."""

    def once():
        start = time.thread_time()
        assert not passwords.verify(stored, password).ok
        return time.thread_time() - start

    return min(once() for _ in range(5))


@pytest.mark.parametrize(
    ("of_user", "password"),
    [
        pytest.param(False, RIGHT, id="unknown user"),
        pytest.param(False, "x" * 1025, id="unknown user, too long"),
        pytest.param(True, "x" * 1024, id="longest"),
        pytest.param(True, "x" * 1025, id="too long"),
        pytest.param(True, "x" * 60_000, id="far too long"),
        pytest.param(True, "", id="empty"),
        pytest.param(True, "\ud800", id="not Unicode"),
    ],
)
def test_every_refusal_costs_what_a_wrong_password_costs(passwords, stored, of_user, password):
    wrong = seconds_of(passwords, stored, "wrong")
    refused = seconds_of(passwords, stored if of_user else None, password)
    assert wrong / 2 < refused < wrong * 2


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_hash_costs_what_a_wrong_password_costs(passwords, stored, damaged):
    wrong = seconds_of(passwords, stored, "wrong")
    assert wrong / 2 < seconds_of(passwords, damaged, RIGHT) < wrong * 2


# --- passwords ------------------------------------------------------------------------------------


def test_a_password_is_the_same_however_a_keyboard_composes_it(passwords):
    composed, decomposed = "Grüße für Zoë", unicodedata.normalize("NFD", "Grüße für Zoë")
    assert composed != decomposed
    assert passwords.verify(passwords.hash(composed), decomposed).ok
    assert passwords.verify(passwords.hash(decomposed), composed).ok


def test_every_space_is_a_plain_space(passwords):
    assert passwords.verify(passwords.hash("no\u00a0break\u3000here"), "no break here").ok


@pytest.mark.parametrize(
    ("password", "other"),
    [(" x ", "x"), ("X", "x"), ("ﬁ", "fi"), ("1", "１"), ("a\0b", "a\0c"), ("a", "a\0")],  # noqa: RUF001
    ids=["spaces around", "case", "ligature", "width", "after nul", "nul"],
)
def test_different_passwords_stay_different(passwords, password, other):
    kept = passwords.hash(password)
    assert passwords.verify(kept, password).ok
    assert not passwords.verify(kept, other).ok


def test_the_longest_password_has_1024_bytes_of_utf_8(passwords):
    assert passwords.verify(passwords.hash("ü" * 512), "ü" * 512).ok


@pytest.mark.parametrize("password", ["", "ü" * 513, "x" * 1025, "secret\udfff"])
def test_a_password_that_cannot_be_one_is_not_hashed(passwords, password):
    with pytest.raises(ValueError, match="1 to 1024 bytes") as refused:
        passwords.hash(password)
    assert "secret" not in repr(refused.value)
    assert refused.value.__context__ is None


# --- the gate -------------------------------------------------------------------------------------


class Occupant:
    """Somebody inside a gate until told to leave."""

    def __init__(self, gate):
        inside = threading.Event()
        self._leave = threading.Event()
        self._thread = threading.Thread(
            target=gate.run, args=(lambda: (inside.set(), self._leave.wait(HUNG)),)
        )
        self._thread.start()
        assert inside.wait(HUNG)

    def leave(self):
        self._leave.set()
        self._thread.join(HUNG)


@pytest.fixture
def occupy():
    occupants = []

    def occupy(gate):
        occupants.append(Occupant(gate))
        return occupants[-1]

    yield occupy
    for occupant in occupants:
        occupant.leave()


def test_of_nine_who_come_while_one_hashes_six_wait_and_three_are_refused_at_once(stored, occupy):
    passwords = Passwords(waiting=6, patience=HUNG)
    occupant = occupy(passwords._gate)
    answers = queue.Queue()
    threads = [
        threading.Thread(target=lambda: answers.put(passwords.verify(stored, RIGHT)))
        for _ in range(9)
    ]
    for thread in threads:
        thread.start()
    assert [answers.get(timeout=HUNG / 2) for _ in range(3)] == [Busy(retry_after=1)] * 3
    assert answers.empty()
    occupant.leave()
    assert [answers.get(timeout=HUNG) for _ in range(6)] == [Verified(ok=True)] * 6
    for thread in threads:
        thread.join(HUNG)


def test_who_waits_longer_than_the_patience_is_refused(stored, occupy):
    passwords = Passwords(waiting=1, patience=0.01)
    occupant = occupy(passwords._gate)
    for _ in range(3):  # the place in the queue is free again each time
        assert passwords.verify(stored, RIGHT) == Busy(retry_after=1)
        assert passwords.hash(RIGHT) == Busy(retry_after=1)
    occupant.leave()
    assert passwords.verify(stored, RIGHT).ok


def test_hashes_of_one_process_run_one_after_the_other(stored, monkeypatch):
    passwords = Passwords(waiting=7, patience=HUNG)
    steps = []

    def spied(self, stored, password, *, verify=PasswordHasher.verify):
        steps.append("in")
        verify(self, stored, password)
        steps.append("out")

    monkeypatch.setattr(PasswordHasher, "verify", spied)
    threads = [threading.Thread(target=passwords.verify, args=(stored, RIGHT)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HUNG)
    assert steps == ["in", "out"] * 8


def test_a_failure_inside_the_gate_leaves_it_open():
    gate = Gate(waiting=0, patience=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            gate.run(lambda: 1 / 0)
    assert gate.run(lambda: "open") == "open"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_forked_later_have_gates_of_their_own(stored, occupy):
    passwords = Passwords(waiting=0, patience=0)
    parent_forks, child_answers = fork.Pipe(duplex=True)
    child = fork.Process(
        target=lambda: child_answers.recv() and child_answers.send(passwords.verify(stored, RIGHT)),
        daemon=True,
    )
    child.start()
    occupy(passwords._gate)
    assert passwords.verify(stored, RIGHT) == Busy(retry_after=1)
    parent_forks.send(True)
    assert parent_forks.poll(HUNG)
    assert parent_forks.recv() == Verified(ok=True)
    child.join(HUNG)
