"""Derivation secrets turn over while clients refresh: on one host, and on two that share no disk."""

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.core.refresh_token import parse
from tests.flows.caller import Answer, Caller
from tests.flows.enrolment import beside, enrol
from tests.flows.loops import refreshing, wait_for_progress
from tests.live import LiveServer
from tests.servers import wait_until

NOTICED = 5  # seconds, CONTRACT section 5
JSON = {"PERENNIAL_LOG_FORMAT": "json"}


def secret_of(token: str) -> int:
    found = parse(token)
    assert found is not None
    return found.secret_id


def step(server: LiveServer) -> dict[str, object]:
    done = server.cli("secrets", "rotate", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["acted"]
    return answer


def age(server: LiveServer) -> None:
    """As if the last step had been made a minute ago: the command need not wait."""
    with beside(server) as run, run.transactions.begin() as connection:
        connection.execute(text("UPDATE secret_ids SET created_at = created_at - 60000"))


def everything_derives_with(refreshers, secret_id: int, go_on) -> None:
    """Once every worker must have noticed, and each session has been refreshed since."""
    activated = time.monotonic()
    wait_until(lambda: time.monotonic() - activated > NOTICED, "workers have noticed")
    go_on(refreshers)
    assert {secret_of(each.token) for each in refreshers} == {secret_id}


def test_on_one_host_nobody_notices_until_an_old_secret_is_retired(tmp_path):
    """Running workers notice each step within five seconds; no answer but 200 is given on the way."""
    with LiveServer(tmp_path, workers=2, env=JSON) as server:
        account = enrol(server)
        stranded = Caller(account)
        old = stranded.sign_in()["refresh_token"]
        with refreshing(account, 2) as refreshers:
            wait_for_progress(refreshers)
            made = server.cli("secrets", "rotate")
            wait_for_progress(refreshers, 5)
            assert {secret_of(each.token) for each in refreshers} == {1}
            activated = server.cli("secrets", "rotate")
            everything_derives_with(refreshers, 2, lambda them: wait_for_progress(them, 5))
        assert [(each.refused, each.unanswered) for each in refreshers] == [(None, 0)] * 2
        assert '"status": 503' not in server.log_text()
        refused = server.cli("secrets", "retire", "1")
        assert refused.returncode == 1
        assert "sessions with a token of it: 1; others begun before" in refused.stderr
        retired = server.cli("secrets", "retire", "1", "--force")
        streak = 0

        def dropped() -> bool:
            """Every worker refuses it: many in a row, each on a connection of its own."""
            nonlocal streak
            stranded.close()
            answer = stranded.refresh(old)
            assert (answer.status, answer.body["error"]) == (400, "invalid_grant")
            streak = streak + 1 if "reason" not in answer.body else 0
            return streak >= 20

        wait_until(dropped, "the secret is gone from every worker")
        token = stranded.sign_in()["refresh_token"]
        assert secret_of(token) == 2
        assert stranded.refresh(token).status == 200
        stranded.close()
    assert "Copy refresh-2.secret to the key directory of every other host" in made.stdout
    assert activated.stdout == "derivation secret 2 is active: new tokens are derived with it\n"
    assert retired.stdout.startswith("derivation secret 1 is retired; sessions ended: 3. Delete")
    assert [told(done.stderr) for done in (made, activated, retired)] == [
        "derivation_secret_created",
        "derivation_secret_activated",
        "derivation_secret_retired",
    ]


def told(stderr: str) -> str:
    """The last event that a command published; before it, retiring tells whom it ended."""
    *before, last = [json.loads(line)["event"] for line in stderr.splitlines()]
    assert set(before) <= {"session_ended"}
    return last


# --- two hosts ------------------------------------------------------------------------------------


class Wanderer:
    """A session that is refreshed on two hosts in turn; asked to come again, it tries the other."""

    def __init__(self, account, urls) -> None:
        self._callers = [Caller(account, url) for url in urls]
        self.token: str = self._callers[0].sign_in()["refresh_token"]
        self.statuses: list[int] = []
        self.refused: Answer | None = None

    def go(self) -> None:
        caller = self._callers[len(self.statuses) % len(self._callers)]
        answer = caller.refresh(self.token)
        self.statuses.append(answer.status)
        if answer.status == 200:
            self.token = answer.body["refresh_token"]
        elif answer.status != 503:
            self.refused = answer

    def close(self) -> None:
        for caller in self._callers:
            caller.close()


@contextlib.contextmanager
def wandering(wanderers: list[Wanderer]) -> Iterator[None]:
    stop = threading.Event()

    def loop(wanderer: Wanderer) -> None:
        while not stop.is_set() and wanderer.refused is None:
            wanderer.go()
        wanderer.close()

    threads = [threading.Thread(target=loop, args=(each,)) for each in wanderers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def progress(wanderers: list[Wanderer]) -> None:
    goals = [len(each.statuses) + 8 for each in wanderers]
    wait_until(
        lambda: all(
            len(each.statuses) >= goal or each.refused
            for each, goal in zip(wanderers, goals, strict=True)
        ),
        "every session goes on",
    )


@contextlib.contextmanager
def two_hosts(folder: Path, database_url: str) -> Iterator[tuple[LiveServer, LiveServer]]:
    """One issuer on two machines: a database for both, a key directory for each."""
    made = []
    for name in ("first", "second"):
        (folder / name).mkdir()
        made.append(LiveServer(folder / name, database_url=database_url, env=JSON))
    first, second = made
    second.env["PERENNIAL_ISSUER"] = first.url
    with first:
        shutil.copytree(first.directory / "keys", second.directory / "keys")
        with second:
            yield first, second


def bring(source: LiveServer, target: LiveServer, name: str) -> None:
    """`cp -p`: the file is there under its name before it has its content."""
    shutil.copy2(source.directory / "keys" / name, target.directory / "keys" / name)


def missing(server: LiveServer) -> set[int]:
    lines = [json.loads(line) for line in server.log_text().splitlines()]
    return {line["secret_id"] for line in lines if line["event"] == "derivation_secret_missing"}


@pytest.fixture
def on_postgresql(postgresql, tmp_path):
    url = postgresql.create_database()
    with two_hosts(tmp_path, url) as hosts:
        yield hosts
    postgresql.drop_database(url)


def lacks_the_secret(here: Caller, there: Caller, old: str) -> None:
    """What the second host answers while the third secret is active and only the first holds it."""
    here.close()  # it has been quiet for longer, perhaps, than a server keeps a connection
    wait_until(lambda: secret_of(here.sign_in()["refresh_token"]) == 3, "noticed")
    assert secret_of(there.sign_in()["refresh_token"]) == 2, "it goes on with the one before"
    newer = here.refresh(old).body["refresh_token"]
    assert secret_of(newer) == 3
    for token in (newer, old):  # it cannot verify the one nor derive the successor of the other
        assert there.refresh(token).status == 503
    assert here.refresh(old).body["refresh_token"] == newer, "and has changed nothing"
    here.close()
    there.close()


def test_two_hosts_go_through_a_roll_out_and_a_careless_one_without_a_sign_out(on_postgresql):
    first, second = on_postgresql
    account = enrol(first)
    urls = [first.url, second.url]
    here, there = Caller(account, urls[0]), Caller(account, urls[1])
    old = here.sign_in()["refresh_token"]
    wanderers = [Wanderer(account, urls), Wanderer(account, urls[::-1])]
    with wandering(wanderers):
        progress(wanderers)
        step(first)
        wait_until(lambda: missing(second) == {2}, "the second host asks for the file")
        bring(first, second, "refresh-2.secret")
        progress(wanderers)
        step(first)
        everything_derives_with(wanderers, 2, progress)
        # The other way round: made and activated before anybody has carried the file over.
        step(first)
        age(first)
        step(first)
        lacks_the_secret(here, there, old)
        assert second.ready(), "it can serve everybody else"
        progress(wanderers)
        bring(first, second, "refresh-3.secret")
        wait_until(
            lambda: all(each.refused or set(each.statuses[-8:]) == {200} for each in wanderers),
            "both hosts serve every token again",
        )
        marks = [len(each.statuses) for each in wanderers]
        progress(wanderers)
    for wanderer, mark in zip(wanderers, marks, strict=True):
        assert wanderer.refused is None
        assert set(wanderer.statuses) == {200, 503}
        assert set(wanderer.statuses[mark:]) == {200}
        assert secret_of(wanderer.token) == 3
    assert missing(first) == set()
    with beside(second) as run:
        assert run.ring().active == 3
