"""The worker of docs/client/workers.md: Celery itself, with processes that it forks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clients.conformance import Conformance
from tests.guides import block, words
from tests.servers import Child

PAGE = "client/workers.md"
FILE = 'FileStore("/var/lib/films/session.json")'
DATABASE = 'SqliteStore("/var/lib/films/sessions.db", name="crawler")'
ASK = """
import sys
from tasks import fetch
waiting = [fetch.delay(film) for film in range(int(sys.argv[1]))]
for each in waiting:
    print(each.get(timeout=60, interval=0.05)["path"])
"""


@pytest.fixture
def authority():
    with Conformance() as running:
        yield running


@pytest.fixture(params=["a file", "a database"])
def folder(authority, tmp_path, request):
    """As the page has it, with `tasks.py` in it."""
    names = {
        '"https://api.example.com"': f'"{authority.url}"',
        "https://api.example.com/films": f"{authority.url}/api/films",
        "https://id.example.com": authority.url,
        '"film-notes"': '"conformance"',
        "/var/lib/films": str(tmp_path),
    }
    if request.param == "a database":
        names = {FILE: DATABASE, "import FileStore": "import SqliteStore", **names}
    (tmp_path / "tasks.py").write_text(block(PAGE, "python", names))
    for name in ("queue", "results"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def worker(folder):
    sign_in(folder)
    program, *more = words(block(PAGE, "sh", {}, 1))
    child = Child(
        [sys.executable, "-m", program, *more],
        log=folder / "worker.log",
        cwd=folder,
        env=environment(),
    )
    yield child
    child.kill()


def sign_in(folder):
    run(folder, block(PAGE, "python", {}, 1))


def environment():
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}


def run(folder, program, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(),
        timeout=120,
    )
    return done.stdout.splitlines()


def ask(folder, number):
    assert run(folder, ASK, str(number)) == [f"/api/films/{film}" for film in range(number)]


def children(pid):
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_forty_tasks_in_four_processes_refresh_once(worker, folder, authority):
    ask(folder, 40)
    authority.expire_access()
    ask(folder, 40)
    counts = authority.log()["counts"]
    assert len(children(worker.pid)) == 4
    assert (counts["rotations"], counts["replays"], counts["api_served"]) == (1, 0, 80)
    assert (counts["family_kills"], counts["forced_sign_ins"]) == (0, 0)


def test_a_session_that_was_ended_elsewhere_fails_the_task_and_a_sign_in_mends_it(
    worker, folder, authority
):
    authority.revoke()
    authority.expire_access()
    with pytest.raises(subprocess.CalledProcessError) as failure:
        ask(folder, 1)
    assert "ReauthRequired" in failure.value.stderr
    sign_in(folder)
    ask(folder, 8)
