"""Processes that are killed at any step, and many that write at once."""

import fcntl
import itertools
import json
import os
import signal
import sqlite3

import pytest

from clients.python.tests.stores.backends import Ring
from clients.python.tests.stores.documents import kept, same
from clients.python.tests.stores.processes import Pipe, ended, forked
from perennial.stores import FileStore, KeyringStore, SqliteStore, file, sqlite

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

CALLS = [
    (os, name)
    for name in ("open", "fchmod", "write", "fsync", "close", "replace", "rename", "unlink")
] + [(os, "mkdir"), (os, "listdir"), (fcntl, "flock")]
RING = [(Ring, "set_password"), (Ring, "get_password"), (Ring, "delete_password")]


def kill_at(point, calls):
    """End this process before, within or after one of the calls that follow."""
    steps = itertools.count()

    def step():
        if next(steps) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def stepping(call, name):
        def stepped(*arguments, **named):
            step()
            if name == "write":
                descriptor, content = arguments
                call(descriptor, content[: len(content) // 2])
                step()
                return call(descriptor, content[len(content) // 2 :]) + len(content) // 2
            result = call(*arguments, **named)
            step()
            return result

        return stepped

    for owner, name in calls:
        setattr(owner, name, stepping(getattr(owner, name), name))


def deaths(work, calls, limit=400):
    """Do `work` in a child that is killed at each point in turn, until one survives; how often."""
    for point in range(limit):

        def child(point=point):
            kill_at(point, calls)
            work(point)

        status = ended(forked(child))
        yield point
        if status == 0:
            return
        assert status == -signal.SIGKILL
    raise AssertionError("it never ends")


@pytest.mark.parametrize("before", ["nothing", "a session", "something broken"])
def test_a_writer_killed_at_any_point_leaves_the_old_session_or_the_new(tmp_path, before):
    old = kept(1, refresh_token="old") if before == "a session" else None
    version = old.version if old else 0
    new = kept(version + 1, refresh_token="new")

    def path(point):
        return tmp_path / str(point) / "session.json"

    def write(point):
        assert FileStore(path(point)).swap(version, new)

    for point in range(400):
        if before != "nothing":
            path(point).parent.mkdir()
        if before == "something broken":
            path(point).write_text("broken")
        if old:
            FileStore(path(point)).swap(0, old)
    seen = []
    for point in deaths(write, CALLS):
        store = FileStore(path(point))
        there = store.read()
        seen.append("new" if there and same(there, new) else "old")
        assert same(there, new) or (same(there, old) if old else False) if there else not old
        following = (there.version if there else 0) + 1
        with store.lock(0) as held:
            assert held
            assert store.swap(following - 1, kept(following, refresh_token="next"))
        names = {each.name.removeprefix("session.json") for each in path(point).parent.iterdir()}
        broken = {".unreadable-1"} if before == "something broken" else set()
        assert names == {"", ".lock", ".swap"} | broken
    assert len(seen) > 15
    assert seen == sorted(seen, reverse=True)  # old up to one point, and new from there
    assert set(seen) == {"old", "new"}


def test_a_keyring_and_what_is_beside_it_agree_whenever_the_writer_is_killed(tmp_path):
    new = kept(2, refresh_token="new", access_token="a2")
    stores = {}
    for point in range(400):
        ring = Ring(tmp_path / f"ring-{point}")
        stores[point] = KeyringStore("app", FileStore(tmp_path / f"{point}.json"), backend=ring)
        stores[point].swap(0, kept(1, refresh_token="old", access_token="a1"))
    seen = []
    for point in deaths(lambda point: stores[point].swap(1, new), RING + CALLS):
        there = stores[point].read()
        seen.append(json.loads(there.document))
        following = kept(there.version + 1, refresh_token="next", access_token="a3")
        assert stores[point].swap(there.version, following)
        assert same(stores[point].read(), following)
    old, new = ({"refresh_token": t, "access_token": a} for t, a in [("old", "a1"), ("new", "a2")])
    assert len(seen) > 20
    assert seen[0] == old
    assert seen[-1] == new
    assert [each for each in seen if each not in (old, new)] == []


def test_a_database_holds_a_whole_session_whenever_its_writer_is_killed(tmp_path):
    path = tmp_path / "sessions.db"
    store = SqliteStore(path)
    store.swap(0, kept(1, refresh_token="1"))
    for _ in range(20):
        written = Pipe()

        def writer(written=written):
            while True:
                there = store.read()
                version = there.version + 1
                store.swap(there.version, kept(version, refresh_token=str(version)))
                written.say()

        child = forked(writer)
        written.wait()
        os.kill(child, signal.SIGKILL)
        assert ended(child) == -signal.SIGKILL
        os.close(written.end)
        there = SqliteStore(path).read()
        assert same(there, kept(there.version, refresh_token=str(there.version)))
        assert store.swap(
            there.version, kept(there.version + 1, refresh_token=str(there.version + 1))
        )
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize("kind", ["file", "sqlite", "keyring"])
def test_no_update_of_eight_processes_is_lost(makers, kind, monkeypatch):
    for module in (file, sqlite):
        monkeypatch.setattr(module, "PATIENCE", 300)
    store = makers[kind]()

    def count():
        mine = makers[kind]()
        for _ in range(200):
            while True:
                there = mine.read()
                version = there.version if there else 0
                number = int(json.loads(there.document)["refresh_token"]) if there else 0
                if mine.swap(version, kept(version + 1, refresh_token=str(number + 1))):
                    break

    children = [forked(count) for _ in range(8)]
    assert [ended(child) for child in children] == [0] * 8
    assert same(store.read(), kept(1600, refresh_token="1600"))


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_the_lock_lets_one_of_eight_processes_at_it(makers, kind, tmp_path):
    inside = tmp_path / "inside"

    def enter():
        for _ in range(20):
            with makers[kind]().lock(60) as held:
                assert held
                inside.mkdir()
                inside.rmdir()

    children = [forked(enter) for _ in range(8)]
    assert [ended(child) for child in children] == [0] * 8
