"""The worker's threads: work is done once, in time, by no more threads than there are."""

import threading
from concurrent.futures import CancelledError

import pytest

from app.services.warm_pool import WarmPool

HUNG = 20


@pytest.fixture
def pool():
    made = WarmPool(2)
    yield made
    made.shutdown()


def test_work_comes_back_as_a_result_or_an_error(pool):
    assert pool.submit(divmod, 7, 2).result(HUNG) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 7, 0).result(HUNG)
    assert pool.submit(int, "11", base=2).result(HUNG) == 3


def test_the_thread_that_was_busy_last_gets_the_next_work(pool):
    names = {pool.submit(threading.current_thread).result(HUNG) for _ in range(50)}
    assert len(names) <= 2


def test_no_more_threads_run_than_there_are_and_nothing_is_lost(pool):
    running, most, lock = 0, 0, threading.Lock()

    def work(number):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1
        return number

    results = [pool.submit(work, number) for number in range(500)]
    assert [future.result(HUNG) for future in results] == list(range(500))
    assert most <= 2


def test_work_waits_while_every_thread_is_busy(pool):
    go, begun = threading.Event(), [threading.Event() for _ in range(3)]

    def hold(number):
        begun[number].set()
        assert go.wait(HUNG)

    held = [pool.submit(hold, number) for number in range(3)]
    assert begun[0].wait(HUNG)
    assert begun[1].wait(HUNG)
    assert not begun[2].is_set()
    go.set()
    assert [future.result(HUNG) for future in held] == [None] * 3


def test_a_closed_pool_finishes_what_it_accepted_and_takes_no_more():
    pool = WarmPool(1)
    go = threading.Event()
    accepted = [pool.submit(go.wait, HUNG), pool.submit(divmod, 7, 2)]
    pool.shutdown(wait=False)
    with pytest.raises(RuntimeError):
        pool.submit(divmod, 1, 1)
    go.set()
    assert [future.result(HUNG) for future in accepted] == [True, (3, 1)]
    pool.shutdown()


def test_waiting_work_can_be_cancelled_with_the_pool():
    pool = WarmPool(1)
    go = threading.Event()
    first, second = pool.submit(go.wait, HUNG), pool.submit(divmod, 7, 2)
    pool.shutdown(wait=False, cancel_futures=True)
    go.set()
    assert first.result(HUNG)
    with pytest.raises(CancelledError):
        second.result(HUNG)
