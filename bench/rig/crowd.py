"""Fifty threads and fifty tasks call an API at the moment an access token expires, a thousand times."""

import argparse
import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import httpx

from bench.rig.job import CLIENT, PASSWORD, PERSON
from clients.conformance import Clock, Conformance
from perennial import Session
from perennial.clock import SystemClock
from perennial.httpx import SessionAuth

THREADS, TASKS, TIMES = 50, 50, 1000
LIFETIME = 900
# httpcore may close a connection as one idle too many when another thread has just taken it.
EVERY_ONE_KEPT = httpx.Limits(max_keepalive_connections=None, keepalive_expiry=None)


class Moved(SystemClock):
    """The client's clock, set forward together with the server's."""

    ahead = 0.0

    def wall(self) -> float:
        return super().wall() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.rig.crowd", description=__doc__)
    parser.add_argument("--times", type=int, default=TIMES)
    times: int = parser.parse_args().times
    clock, began = Moved(), time.perf_counter()
    with (
        Conformance(access=LIFETIME, clock=Clock(clock.monotonic)) as server,
        Session(issuer=server.url, client_id=CLIENT, clock=clock) as session,
        ThreadPoolExecutor(THREADS + 1) as pool,
        httpx.Client(
            auth=SessionAuth(session), base_url=server.url, limits=EVERY_ONE_KEPT, trust_env=False
        ) as api,
    ):
        session.sign_in_with_password(PERSON, PASSWORD)
        served = 0
        for _ in range(times):
            clock.ahead += LIFETIME
            served += together(pool, api, session, server.url)
        counts = cast("dict[str, int]", server.log()["counts"])
    print(
        f"{times} expiries, {THREADS} threads and {TASKS} tasks at each: {served} of "
        f"{times * (THREADS + TASKS)} calls answered, {counts['refresh_requests']} refreshes, "
        f"{counts['api_refused']} calls refused, {time.perf_counter() - began:.0f} s"
    )


def together(pool: ThreadPoolExecutor, api: httpx.Client, session: Session, url: str) -> int:
    """How many were answered."""
    start = threading.Barrier(THREADS + 1)

    def thread() -> int:
        start.wait()
        return api.get("/api/me").status_code

    async def tasks() -> list[int]:
        limits = httpx.Limits(max_connections=10)
        auth = SessionAuth(session)
        async with httpx.AsyncClient(
            auth=auth, base_url=url, limits=limits, timeout=60, trust_env=False
        ) as asynchronous:
            start.wait()
            calls = (asynchronous.get("/api/me") for _ in range(TASKS))
            return [answer.status_code for answer in await asyncio.gather(*calls)]

    threads = [pool.submit(thread) for _ in range(THREADS)]
    loop = pool.submit(asyncio.run, tasks())
    return [*(each.result() for each in threads), *loop.result()].count(200)


if __name__ == "__main__":
    main()
