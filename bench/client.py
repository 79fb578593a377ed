"""What the Python client costs those who import it, and every request that has a fresh token.

Machines are noisy and shared: each ratio is of two medians measured in turns in the same run.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from functools import partial

import httpx

from perennial import MemoryStore, Session
from perennial.httpx import SessionAuth
from perennial.server import Endpoints

IMPORTS: dict[str, float | None] = {
    "import urllib.request": None,
    "from perennial import Session, FileStore": 1.3,
    "from perennial import Session, FileStore; import perennial.httpx": None,
}
NOTHING = "pass"
ROUNDS, CALLS = 31, 400


def started(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
    return time.perf_counter() - began


def imports() -> dict[str, float]:
    """Milliseconds on top of an interpreter that does nothing."""
    taken: dict[str, list[float]] = {code: [] for code in (NOTHING, *IMPORTS)}
    for _ in range(ROUNDS):
        for code, times in taken.items():
            times.append(started(code))
    medians = {code: statistics.median(times) for code, times in taken.items()}
    return {code: 1e3 * (medians[code] - medians[NOTHING]) for code in IMPORTS}


class Empty(httpx.Auth):
    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        yield request


def requests() -> dict[str, float]:
    """Microseconds of a call whose answer comes from memory."""
    session = Session(
        client_id="bench",
        endpoints=Endpoints(token="https://id.example.com/token"),
        store=MemoryStore(),
    )
    session.adopt({"access_token": "x" * 700, "token_type": "Bearer", "expires_in": 86_400})
    answered = httpx.MockTransport(lambda _: httpx.Response(200))
    calls: dict[str, Callable[[], object]] = {}
    for name, auth in (("empty", Empty()), ("session", SessionAuth(session))):
        client = httpx.Client(auth=auth, transport=answered)
        calls[name] = partial(client.get, "https://api.example.com/")
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            began = time.perf_counter()
            for _ in range(CALLS):
                call()
            taken[name].append((time.perf_counter() - began) / CALLS)
    return {name: 1e6 * statistics.median(times) for name, times in taken.items()}


def main() -> None:
    milliseconds = imports()
    base = milliseconds["import urllib.request"]
    for code, goal in IMPORTS.items():
        aim = "" if goal is None else f"  (goal: at most {goal})"
        print(f"{milliseconds[code] / base:5.2f}  {milliseconds[code]:6.1f} ms  {code}{aim}")
    microseconds = requests()
    ratio = microseconds["session"] / microseconds["empty"]
    print(f"{ratio:5.2f}  a request with a fresh token, of one with an empty httpx.Auth")
    print(f"       {microseconds['session']:.0f} µs and {microseconds['empty']:.0f} µs")


if __name__ == "__main__":
    main()
