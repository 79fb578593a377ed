"""Failures, one after the other and many at once, for the tests of the failure counters."""

import multiprocessing
import threading

import pytest

from app.services.ratelimit import Limit

THREE = Limit("three", failures=3, window=60_000)
NOW = 1_800_000_000_000
HOUR = 3_600_000
HUNG = 10  # seconds after which something that should happen never will

fork = multiprocessing.get_context("fork")


def never(message):
    pytest.fail(f"degraded: {message}")


def record(counter, times, now=NOW, limit=THREE, key="ann"):
    return [counter.record(limit, key, now) for _ in range(times)]


def in_processes(count, work):
    """What `work` answers in each of so many forked processes, all started before one is awaited."""

    def answer(pipe):
        pipe.send(work())

    pipes, processes = [], []
    for _ in range(count):
        receiving, sending = fork.Pipe(duplex=False)
        processes.append(fork.Process(target=answer, args=(sending,), daemon=True))
        processes[-1].start()
        sending.close()
        pipes.append(receiving)
    answers = []
    for pipe, process in zip(pipes, processes, strict=True):
        assert pipe.poll(HUNG), "a process answers nothing"
        answers.append(pipe.recv())
        pipe.close()
        process.join(HUNG)
    return answers


def in_threads(count, work):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(work()), daemon=True) for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HUNG)
    return answers
