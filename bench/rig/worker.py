"""One process of the rig: calls an API with one client library until its time is over.

Whoever finds the session ended signs in again, which is what the rig counts.
"""

import json
import sys
import time
from importlib import import_module

from bench.rig.job import Client, Job

PAUSE = 0.004
OK = 200


def made(job: Job) -> Client:
    """Each process has only the library that it is about."""
    client: Client = import_module(f"bench.rig.{job.kind}_client").Client(job)
    return client


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    client, calls, failed = made(job), 0, 0
    while time.monotonic() < job.until:
        calls += 1
        try:
            status = client.call()
            if not status:
                client.sign_in()
        except Exception:  # noqa: BLE001  # each library has errors of its own
            status = -1
        failed += status != OK
        time.sleep(PAUSE)
    sys.stdout.write(json.dumps({"calls": calls, "failed": failed}))


if __name__ == "__main__":
    main()
