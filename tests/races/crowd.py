"""Many at once: processes that do what they are told at one moment, and threads that end in time."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from app.core.refresh_token import parse
from tests.flows.caller import Account, Caller
from tests.races.history import Look, Operation, Refresh, Token

HUNG = 60  # seconds after which something that should happen never will

PROCESSES = get_context("forkserver")  # as good as new ones, and a hundred times quicker
PROCESSES.set_forkserver_preload(["tests.races.storm"])


class Order(NamedTuple):
    """Present this token of this session, or only look at it."""

    account: Account
    family: str
    token: Token
    look: bool = False


Crowd = Callable[[Sequence[Sequence[Order]]], list[Operation]]


@contextlib.contextmanager
def crowd_of(size: int) -> Iterator[Crowd]:
    """Processes to share out lists of orders to. They start together, each does its own list in
    order, and what all of them saw comes back.
    """
    pipes, processes = [], []
    for _ in range(size):
        ours, theirs = PROCESSES.Pipe()
        processes.append(PROCESSES.Process(target=_obey, args=(theirs,), daemon=True))
        processes[-1].start()
        theirs.close()
        pipes.append(ours)

    def share_out(lists: Sequence[Sequence[Order]]) -> list[Operation]:
        busy = pipes[: len(lists)]
        for pipe, orders in zip(busy, lists, strict=True):
            pipe.send(orders)
        seen: list[Operation] = []
        for pipe in busy:
            assert pipe.poll(HUNG), "a process answers nothing"
            seen += pipe.recv()
        return seen

    try:
        yield share_out
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(HUNG)
            process.close()


def _obey(pipe: Connection) -> None:
    with contextlib.suppress(EOFError):
        while True:
            pipe.send([_look(order) if order.look else _refresh(order) for order in pipe.recv()])


def _refresh(order: Order) -> Refresh:
    """On a connection of its own, so that any worker may serve it."""
    caller = Caller(order.account)
    began = time.monotonic()
    status, body = caller.refresh(order.token.text)
    ended = time.monotonic()
    caller.close()
    given = (token(body["refresh_token"]), Token(body["access_token"])) if status == 200 else None
    return Refresh(order.family, began, ended, order.token, status, body.get("reason"), given)


def _look(order: Order) -> Look:
    caller = Caller(order.account)
    began = time.monotonic()
    active = caller.is_active(order.token.text)
    ended = time.monotonic()
    caller.close()
    return Look(order.family, began, ended, order.token, active)


def token(text: str) -> Token:
    """A refresh token with the generation that is written in it."""
    parsed = parse(text)
    assert parsed is not None
    return Token(text, parsed.generation)


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
