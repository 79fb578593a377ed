"""Many at once: processes that present one token together, and threads that end in time."""

import threading
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from typing import Any

from tests.flows.caller import Account, Answer, Caller

HUNG = 60  # seconds after which something that should happen never will


def present_together(account: Account, token: str, *, processes: int, rounds: int) -> list[Any]:
    """Processes that share a token and refresh it at one barrier, round after round.

    Every process goes on with the token that it was given; so all of them present one token as
    long as all of them get one successor. The answers of each process, in order.
    """
    spawn = get_context("spawn")
    barrier = spawn.Barrier(processes)
    pipes, crowd = [], []
    for _ in range(processes):
        receiving, sending = spawn.Pipe(duplex=False)
        crowd.append(
            spawn.Process(target=_present, args=(account, token, rounds, barrier, sending))
        )
        crowd[-1].start()
        sending.close()
        pipes.append(receiving)
    answers = []
    for pipe in pipes:
        assert pipe.poll(HUNG), "a process answers nothing"
        answers.append(pipe.recv())
        pipe.close()
    for process in crowd:
        process.join(HUNG)
        process.close()
    return answers


def _present(account: Account, token: str, rounds: int, barrier: Any, pipe: Any) -> None:
    caller = Caller(account)
    answers: list[Answer] = []
    for _ in range(rounds):
        caller.close()  # a new connection each time, so that any worker may serve it
        barrier.wait(HUNG)
        answers.append(caller.refresh(token))
        token = answers[-1].body.get("refresh_token", token)
    caller.close()
    pipe.send(answers)


def in_threads(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What the calls answer, made at one moment."""
    answers: list[Any] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(number: int) -> None:
        barrier.wait(HUNG)
        answers[number] = calls[number]()

    threads = [
        threading.Thread(target=run, args=(each,), daemon=True) for each in range(len(calls))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HUNG)
    return answers
