import os
import random
import secrets
import signal
import sys
import time
from pathlib import Path

import pytest

from app.services import ratelimit
from app.services.ratelimit import Limit, RedisCounter, SharedMemoryCounter, source
from tests.services.crowd import (
    HOUR,
    HUNG,
    NOW,
    THREE,
    fork,
    in_processes,
    in_threads,
    never,
    record,
)

SIGN_INS = Limit("sign-in", failures=20, window=60_000)

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(params=["memory", "redis"])
def counter(request):
    """Each of the two counters, empty."""
    if request.param == "memory":
        return SharedMemoryCounter()
    url = request.getfixturevalue("redis_server").url()
    return RedisCounter(url, SharedMemoryCounter(), never, secret=secrets.token_bytes(16))


# --- the window -----------------------------------------------------------------------------------


def test_failures_up_to_the_limit_are_counted_and_the_next_is_told_to_wait(counter):
    assert record(counter, 5) == [0, 0, 0, 60, 60]
    assert counter.retry_after(THREE, "ann", NOW) == 60


def test_asking_counts_nothing(counter):
    assert [counter.retry_after(THREE, "ann", NOW) for _ in range(9)] == [0] * 9
    assert record(counter, 3) == [0, 0, 0]


def test_the_wait_is_rounded_up_and_long_enough(counter):
    record(counter, 3)
    assert counter.retry_after(THREE, "ann", NOW + 1) == 60
    assert counter.retry_after(THREE, "ann", NOW + 58_999) == 2
    assert counter.retry_after(THREE, "ann", NOW + 59_000) == 1
    assert counter.retry_after(THREE, "ann", NOW + 59_999) == 1
    assert counter.retry_after(THREE, "ann", NOW + 60_000) == 0


def test_the_window_slides_with_each_failure(counter):
    for second in (0, 20, 40):
        assert record(counter, 1, NOW + second * 1000) == [0]
    assert record(counter, 2, NOW + 60_000) == [0, 20]
    assert record(counter, 2, NOW + 80_000) == [0, 20]


def test_a_whole_ring_is_over_at_the_end_of_its_window(counter):
    assert record(counter, 21, limit=SIGN_INS) == [0] * 20 + [60]
    assert record(counter, 21, NOW + 60_000, limit=SIGN_INS) == [0] * 20 + [60]


def test_a_limit_that_was_lowered_counts_what_failed_before(counter):
    for second in range(5):
        record(counter, 1, NOW + second * 1000, limit=Limit("sign-in", 5, 60_000))
    lowered = Limit("sign-in", 3, 60_000)
    assert record(counter, 1, NOW + 4_000, limit=lowered) == [58]
    assert counter.retry_after(lowered, "ann", NOW + 62_000) == 0


def test_a_refused_failure_does_not_prolong_the_wait(counter):
    record(counter, 3)
    record(counter, 50, NOW + 59_000)
    assert counter.retry_after(THREE, "ann", NOW + 60_000) == 0


def test_keys_and_limits_are_counted_apart(counter):
    record(counter, 3)
    assert counter.retry_after(THREE, "bob", NOW) == 0
    assert counter.retry_after(Limit("other", 3, 60_000), "ann", NOW) == 0


def test_one_key_may_have_limits_of_several_sizes(counter):
    narrow, wide = Limit("narrow", 2, 1_000), Limit("wide", 20, HOUR)
    assert record(counter, 3, limit=narrow) == [0, 0, 1]
    assert record(counter, 21, limit=wide) == [0] * 20 + [3600]


@pytest.mark.parametrize("key", ["", "\0", "\ud800", "ü" * 10_000, "a b\r\nDEL x"])
def test_any_text_is_a_key(counter, key):
    assert record(counter, 4, key=key) == [0, 0, 0, 60]


@pytest.mark.parametrize("seed", range(20))
def test_no_window_whatever_the_order_of_clocks_holds_more_than_the_limit(counter, seed):
    chance = random.Random(seed)
    counted = []
    clock = NOW
    for _ in range(300):
        clock += chance.choice((0, 1, 500, 5_000, 61_000))
        now = clock - chance.choice((0, 0, 3, 900))  # requests overtake each other
        waits = counter.retry_after(THREE, "ann", now), counter.record(THREE, "ann", now)
        assert waits[0] == waits[1]
        near = [moment for moment in counted if abs(now - moment) < THREE.window]
        assert (waits[0] == 0) == (len(near) < THREE.failures)
        if waits[0] == 0:
            counted.append(now)
        else:
            assert 0 < waits[0] <= 61
    for start in counted:
        held = [moment for moment in counted if start <= moment < start + THREE.window]
        assert len(held) <= THREE.failures


# --- a clock that jumps ---------------------------------------------------------------------------


def test_a_clock_set_back_locks_nobody_out(counter):
    record(counter, 3, NOW + HOUR)
    assert counter.retry_after(THREE, "ann", NOW) == 0
    assert record(counter, 4, NOW) == [0, 0, 0, 60]


def test_a_clock_set_back_a_little_prolongs_a_wait_by_as_much(counter):
    record(counter, 3, NOW + 10_000)
    assert counter.retry_after(THREE, "ann", NOW) == 70
    assert counter.retry_after(THREE, "ann", NOW + 70_000) == 0


# --- many at once ---------------------------------------------------------------------------------


@pytest.mark.parametrize("round_", range(3))
def test_of_thousands_failing_in_32_threads_of_4_processes_exactly_20_are_counted(counter, round_):
    together = fork.Barrier(4 * 8, timeout=HUNG)

    def hammer():
        together.wait()
        waits = record(counter, 60, limit=SIGN_INS, key=f"ann {round_}")
        together.wait()
        return [*waits, counter.retry_after(SIGN_INS, f"ann {round_}", NOW)]

    by_process = in_processes(4, lambda: in_threads(8, hammer))
    waits = [wait for by_thread in by_process for of_thread in by_thread for wait in of_thread]
    assert len(waits) == 32 * 61
    assert waits.count(0) == 20
    assert waits.count(60) == len(waits) - 20


def test_processes_that_fail_for_different_people_do_not_disturb_each_other():
    counter = SharedMemoryCounter()
    together = fork.Barrier(4, timeout=HUNG)

    def people():
        together.wait()
        return [record(counter, 4, key=f"{os.getpid()} {person}") for person in range(200)]

    assert in_processes(4, people) == [[[0, 0, 0, 60]] * 200] * 4


# --- memory of one host ---------------------------------------------------------------------------


def test_the_memory_is_bounded_and_a_flood_of_names_leaves_the_latest_exact():
    counter = SharedMemoryCounter()
    assert len(counter._memory) <= 4 * 1024 * 1024
    slots = counter._sets * ratelimit.WAYS
    assert slots > 20_000
    for stranger in range(slots * 2):
        counter.record(THREE, f"stranger {stranger}", NOW + stranger)
    assert record(counter, 4, NOW + slots * 2) == [0, 0, 0, 60]


@pytest.fixture
def one_set(monkeypatch):
    """A counter in which every key competes for the same eight slots."""
    monkeypatch.setattr(ratelimit, "MEMORY", ratelimit.WAYS * (ratelimit.TAG + 20 * 8))
    counter = SharedMemoryCounter()
    assert counter._sets == 1
    return counter


def test_a_full_set_forgets_the_slot_that_failed_least_recently(one_set):
    for place, name in enumerate("abcdefgh"):
        record(one_set, 3, NOW + place, key=name)
    one_set.record(THREE, "a", NOW + 60_000)  # a's first three are over: it is the latest now
    one_set.record(THREE, "i", NOW + 60_000)
    forgotten = [name for name in "bcdefgh" if not one_set.retry_after(THREE, name, NOW + 9)]
    assert forgotten == ["b"]
    assert record(one_set, 3, NOW + 60_000, key="a") == [0, 0, 60]


def test_slots_from_before_the_clock_was_set_back_are_forgotten_first(one_set):
    for name in "abcdefgh":
        one_set.record(THREE, name, NOW + HOUR)
    for name in "stuvwxyz":
        assert record(one_set, 3, NOW, key=name) == [0, 0, 0]
    assert [one_set.retry_after(THREE, name, NOW) for name in "stuvwxyz"] == [60] * 8


def test_the_memory_holds_no_key_in_clear():
    counter = SharedMemoryCounter()
    record(counter, 3, key="ann@example.com 192.0.2.7")
    assert counter._memory.find(b"ann") < 0
    assert counter._memory.find(b"192.0.2.7") < 0
    assert counter._memory.find(NOW.to_bytes(8, sys.byteorder)) > 0


def test_a_limit_larger_than_the_rings_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="'wide' is larger than 20"):
        SharedMemoryCounter().record(Limit("wide", 21, 60_000), "ann", NOW)
    assert record(SharedMemoryCounter(21), 22, limit=Limit("wide", 21, 60_000))[-2:] == [0, 60]


def open_files():
    return sum(1 for _ in Path("/dev/fd").iterdir())


def test_counters_come_and_go_without_leaving_files_open():
    SharedMemoryCounter()
    before = open_files()
    for _ in range(50):
        SharedMemoryCounter()
    assert open_files() <= before


# --- a holder of the lock that dies or hangs ------------------------------------------------------


@pytest.fixture
def holder():
    """Start a process that holds a counter's lock until somebody ends it."""
    processes = []

    def start(counter):
        held = fork.Event()

        def hold():
            with counter._lock.hold():
                held.set()
                signal.pause()

        processes.append(fork.Process(target=hold, daemon=True))
        processes[-1].start()
        assert held.wait(HUNG)
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.join(HUNG)


def test_a_lock_whose_holder_is_killed_is_free_at_once(holder):
    counter = SharedMemoryCounter()
    process = holder(counter)
    os.kill(process.pid, signal.SIGKILL)
    process.join(HUNG)

    def takes_it():
        with counter._lock.hold() as held:
            return held

    assert in_processes(1, takes_it) == [True]
    assert record(counter, 4) == [0, 0, 0, 60]


def test_a_holder_that_hangs_delays_a_failure_for_a_moment_only(holder):
    counter = SharedMemoryCounter()
    record(counter, 1)
    os.kill(holder(counter).pid, signal.SIGSTOP)

    def fail():
        start = time.monotonic()
        return counter.record(SIGN_INS, "ann", NOW), time.monotonic() - start

    (of_threads,) = in_processes(1, lambda: in_threads(8, fail))
    assert [wait for wait, _ in of_threads] == [0] * 8
    assert all(0.1 < seconds < 5 for _, seconds in of_threads)


def test_asking_does_not_wait_for_the_lock(holder, monkeypatch):
    counter = SharedMemoryCounter()
    record(counter, 3)
    holder(counter)
    monkeypatch.setattr(counter, "_lock", None)
    assert counter.retry_after(THREE, "ann", NOW) == 60


def test_a_process_forked_while_a_thread_holds_the_lock_is_not_stuck():
    counter = SharedMemoryCounter()
    with counter._lock.hold() as held:
        assert held
        assert in_processes(1, lambda: counter.record(THREE, "ann", NOW)) == [0]


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:51234", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("[2001:db8:1:3::1]", "2001:db8:1:3::/64"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_an_address_counts_as_what_one_party_controls(address, counted):
    assert source(address) == counted
