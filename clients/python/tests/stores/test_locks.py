"""Locks among threads, processes and forks, and how they end."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clients.python.tests.stores.processes import Pipe, ended, forked, forked_untraced
from perennial.errors import StorageError
from perennial.stores import disk, locks
from perennial.stores.locks import FileLock

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "app" / "session.json.lock")


@pytest.fixture
def holder(file):
    """A process that holds the lock until it is killed."""
    ready, never = Pipe(), Pipe()

    def hold():
        with FileLock(file).hold(10) as held:
            assert held
            ready.say()
            os.read(never.end, 1)

    child = forked(hold)
    ready.wait()
    yield child
    os.kill(child, signal.SIGKILL)
    ended(child)


@pytest.fixture
def killed(holder):
    def kill():
        os.kill(holder, signal.SIGKILL)
        os.waitid(os.P_PID, holder, os.WEXITED | os.WNOWAIT)

    return kill


def is_free(file, timeout=0):
    with FileLock(file).hold(timeout) as held:
        return held


def test_a_lock_ends_with_a_process_that_is_killed(file, holder, killed):
    assert not is_free(file)
    killed()
    assert is_free(file)


def test_the_lock_of_a_process_that_stands_still_is_not_stolen(file, holder, killed):
    os.kill(holder, signal.SIGSTOP)
    os.waitid(os.P_PID, holder, os.WSTOPPED | os.WNOWAIT)
    assert not is_free(file, 0.2)
    os.kill(holder, signal.SIGCONT)
    assert not is_free(file)
    killed()
    assert is_free(file)


def test_who_waits_gets_the_lock_when_its_holder_is_killed(file, holder, killed):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(is_free, file, 30)
        killed()
        assert waiting.result(30)


def test_a_child_does_not_keep_the_lock_of_its_dead_parent(file):
    ready, orphan_may_go, orphan_is_done = Pipe(), Pipe(), Pipe()

    def parent():
        with FileLock(file).hold(10):
            forked(orphan)
            signal.pause()

    def orphan():
        ready.say()
        orphan_may_go.wait()
        assert is_free(file)
        orphan_is_done.say()

    child = forked(parent)
    ready.wait()
    assert not is_free(file)
    os.kill(child, signal.SIGKILL)
    ended(child)
    assert is_free(file)
    orphan_may_go.say()
    orphan_is_done.wait()


def test_a_child_that_leaves_the_block_does_not_end_the_lock_of_its_parent(file):
    with FileLock(file).hold(0) as held:
        assert held
        child = forked_untraced()
        if child:
            assert ended(child) == 0
            assert ended(forked(lambda: os._exit(is_free(file)))) == 0
    if not child:
        os._exit(is_free(file))
    assert is_free(file)


def test_a_fork_closes_nothing_else_in_the_child(file, tmp_path):
    lock = FileLock(file)
    with lock.hold(0):
        pass
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_WRONLY)  # the number that is free again
    assert ended(forked(lambda: os.fstat(other))) == 0
    os.close(other)


def test_a_program_that_was_started_does_not_keep_the_lock(file):
    ready = Pipe()
    waits = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]

    def parent():
        with FileLock(file).hold(10):
            program = subprocess.Popen(
                waits, stdin=never.end, stdout=subprocess.PIPE, close_fds=False
            )
            program.stdout.read(1)
            ready.say()
            signal.pause()

    never = Pipe()
    os.set_inheritable(never.end, True)
    child = forked(parent)
    ready.wait()
    os.kill(child, signal.SIGKILL)
    ended(child)
    assert is_free(file)
    os.close(never.start)
    os.close(never.end)


def test_forks_while_threads_take_the_lock_leave_every_child_able_to_take_it(file):
    done = threading.Event()

    def busy():
        while not done.is_set():
            is_free(file, 30)

    with ThreadPoolExecutor(4) as pool:
        threads = [pool.submit(busy) for _ in range(4)]
        try:
            children = [forked(lambda: os._exit(not is_free(file, 30))) for _ in range(40)]
            assert {ended(child) for child in children} == {0}
        finally:
            done.set()
        for thread in threads:
            thread.result(30)
    assert is_free(file)


def test_threads_keep_out_each_other_where_locks_belong_to_processes(file, monkeypatch):
    monkeypatch.setattr(locks, "_take", lambda descriptor: None)
    with FileLock(file).hold(0) as first:
        assert first
        assert not is_free(file, 0.01)
    assert is_free(file)


def test_a_fork_between_opening_a_lock_and_remembering_it_waits(file, monkeypatch):
    opened = disk.open_lasting
    statuses = []

    def fork_meanwhile(path):
        monkeypatch.setattr(disk, "open_lasting", opened)
        number = opened(path)

        def is_open():
            try:
                os.fstat(number)
            except OSError:
                os._exit(7)

        forking = threading.Thread(target=lambda: statuses.append(ended(forked(is_open))))
        forking.start()
        forking.join(0.2)
        threads.append(forking)
        return number

    threads = []
    monkeypatch.setattr(disk, "open_lasting", fork_meanwhile)
    with FileLock(file).hold(0) as held:
        assert held
        threads[0].join(30)
    assert statuses == [7]


def test_who_goes_on_without_the_lock_is_in_nobodys_way(file, holder, killed):
    with FileLock(file).hold(0) as held:
        assert not held
        killed()
        assert is_free(file)


def test_waiting_pauses_between_5_and_50_milliseconds_and_never_too_long(file, holder):
    now, pauses = [0.0], []

    def sleep(seconds):
        pauses.append(seconds)
        now[0] += seconds

    with FileLock(file, clock=lambda: now[0], sleep=sleep).hold(2) as held:
        assert not held
    assert sum(pauses) == pytest.approx(2)
    assert all(0.005 <= pause <= 0.05 for pause in pauses[:-1])
    assert len({round(pause, 6) for pause in pauses}) > 10


@pytest.mark.parametrize("timeout", [float("inf"), 1e12, 0, -1])
def test_a_free_lock_is_had_whatever_the_timeout(file, timeout):
    assert is_free(file, timeout)


def test_a_file_system_without_locks_is_said_to_be_one(file, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", refuse)
        with pytest.raises(StorageError, match="has no locks; keep the session on a local disk"):
            is_free(file)
    assert is_free(file)


def test_a_lock_that_cannot_be_opened_is_a_storage_error(tmp_path):
    (tmp_path / "app").write_text("a file in place of the directory")
    with pytest.raises(StorageError, match="Not a directory"):
        is_free(str(tmp_path / "app" / "session.json.lock"))


def test_a_lock_is_not_looked_for_behind_a_link(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError):
        is_free(str(tmp_path / "lock"))
    assert not (tmp_path / "elsewhere").exists()


def test_the_file_of_a_lock_stays_and_is_private(file):
    before = os.umask(0)
    try:
        assert is_free(file)
    finally:
        os.umask(before)
    assert Path(file).stat().st_mode & 0o777 == 0o600
    assert Path(file).parent.stat().st_mode & 0o777 == 0o700


def test_no_descriptor_is_left_open(file, holder, killed):
    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    for _ in range(20):
        assert not is_free(file)
    killed()
    for _ in range(20):
        assert is_free(file)
    assert descriptors() == before
