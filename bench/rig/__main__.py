"""Six processes, one session, a server that loses answers, and processes that die: who is signed out?

Every client library gets the same: a file for the session, access tokens that live for a moment, and
the conformance server on loopback, which counts what ended and who had to sign in again.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from bench.rig.job import Job
from bench.rig.worker import made
from clients.conformance import Conformance
from docs.generate import DOCS

ROOT = DOCS.parent
COMMAND = [sys.executable, "-m", "bench.rig.worker"]
PROCESSES, SECONDS = 6, 8.0
WINDOW, LATE = 0.3, 0.6
REPEATS: dict[str, Any] = {"mode": "successor", "window": WINDOW}
STRICT: dict[str, Any] = {"mode": "strict"}
USUAL_SKEW = 300.0
PEERS = ("perennial", "requests_oauthlib", "authlib", "httpx_auth")


@dataclass(frozen=True)
class Round:
    """`access` in seconds. `drop`: the share of refreshes whose answer is lost; `kill`: of those
    whose process dies before it has stored the answer. It is started again, every third time later
    than the server's window.
    """

    client: str
    server: dict[str, Any]
    access: float
    faults: float = 0.0
    skew: float = USUAL_SKEW


ROUNDS = [
    Round("perennial", REPEATS, 0.15, 0.1, skew=0),
    Round("perennial", REPEATS, 0.15, 0.1),
    Round("perennial", STRICT, 0.15, skew=0),
    *(Round(client, REPEATS, 1.0, 0.1) for client in PEERS),
    *(Round(client, STRICT, 1.0) for client in PEERS),
]


def played(this: Round, seconds: float) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Conformance(**this.server, access=this.access) as server,
    ):
        first = Job(this.client, server.url, folder, 0, 0, 0, this.skew)
        begin(first)
        if this.faults:
            server.chances({"drop_after_commit": this.faults}, seed=1)
        until = time.monotonic() + seconds
        job = replace(first, until=until, kill=this.faults)
        tally = attended([replace(job, seed=seed) for seed in range(PROCESSES)])
        counts = cast("dict[str, Any]", server.log()["counts"])
        return {**counts, **tally}


def begin(first: Job) -> None:
    """One person signs in once."""
    client = made(first)
    client.sign_in()
    client.call()


def attended(jobs: list[Job]) -> Counter[str]:
    """Until the last one has ended; who dies is replaced."""
    tally = Counter[str]()
    running = {start(job): job for job in jobs}
    waiting: list[tuple[float, Job]] = []
    while running or waiting:
        time.sleep(0.005)
        now = time.monotonic()
        for process in [each for each in running if each.poll() is not None]:
            job = running.pop(process)
            said, _ = process.communicate()
            if process.returncode == 0:
                tally.update(json.loads(said))
                continue
            tally["killed"] += 1
            late = LATE if tally["killed"] % 3 == 0 else 0.0
            waiting.append((now + late, replace(job, seed=job.seed + 100)))
        for item in [each for each in waiting if each[0] <= now]:
            waiting.remove(item)
            if now < item[1].until:
                running[start(item[1])] = item[1]
    return tally


def start(job: Job) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, json.dumps(asdict(job))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )


COLUMNS = {
    "calls": "calls",
    "failed": "of them failed",
    "killed": "processes killed",
    "rotations": "rotations",
    "lifetimes": "lifetimes",
    "replays": "repeated",
    "family_kills": "family kills",
    "forced": "forced sign-ins",
}
HEADS = ["client", "server", "access token", "answers lost, processes killed", *COLUMNS.values()]


def row(this: Round, counts: dict[str, Any]) -> str:
    shown = {**counts, "forced": counts["sign_ins"] - 1, "lifetimes": round(counts["lifetimes"])}
    name = this.client.replace("_", "-") + (", skew 0" if this.skew == 0 else "")
    cells = [name, this.server["mode"], f"{this.access:g} s", f"{this.faults:.0%} each"]
    return "| " + " | ".join([*cells, *(str(shown.get(key, 0)) for key in COLUMNS)]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.rig", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each round")
    arguments = parser.parse_args()
    print("| " + " | ".join(HEADS) + " |")
    print("|" + " --- |" * len(HEADS))
    for this in ROUNDS:
        print(row(this, played(this, arguments.seconds)), flush=True)


if __name__ == "__main__":
    main()
