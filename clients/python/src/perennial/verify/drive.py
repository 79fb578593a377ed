"""Two ways through the same steps: a thread that waits, and a task that lets others run."""

import asyncio
from concurrent.futures import wait
from typing import TypeVar

from perennial.verify.document import Steps

T = TypeVar("T")


def blocking(steps: Steps[T], timeout: float) -> T:
    """Wait at most `timeout` seconds for each thing needed, then go on without it."""
    try:
        while True:
            wait([next(steps)], timeout)
    except StopIteration as end:
        value: T = end.value
        return value


async def awaiting(steps: Steps[T], timeout: float) -> T:
    try:
        while True:
            await asyncio.wait([asyncio.wrap_future(next(steps))], timeout=timeout)
    except StopIteration as end:
        value: T = end.value
        return value
