"""A session in a file: what is in it, whose it is, and what happens when it is broken."""

import errno
import json
import os
import resource
import stat
import tempfile
import traceback
from pathlib import Path

import pytest

from clients.python.tests.stores.documents import kept, same
from clients.python.tests.stores.processes import ended, forked
from perennial.errors import StorageError
from perennial.store import Kept
from perennial.stores import FileStore, file

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

FIRST, SECOND = kept(1, refresh_token="r1"), kept(2, refresh_token="r2")
NOBODY = 65534


@pytest.fixture
def store(path):
    return FileStore(path)


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def beside(path):
    """The names in its directory, without its own and those of its locks."""
    locks = {f"{path.name}.lock", f"{path.name}.swap"}
    return {each.name for each in path.parent.iterdir()} - locks - {path.name}


def mode(path):
    return path.stat().st_mode & 0o777


def test_the_file_can_be_read_by_people(store, path):
    store.swap(0, FIRST)
    assert path.read_text() == (
        '{\n "format": 1,\n "version": 1,\n "document": {\n  "refresh_token": "r1"\n }\n}'
    )


@pytest.mark.parametrize("mask", [0, 0o022, 0o777])
def test_file_and_directories_are_private_whatever_the_umask(tmp_path, umask, mask):
    deep = tmp_path / "config" / "app" / "session.json"
    umask(mask)
    assert FileStore(deep).swap(0, FIRST)
    umask(0o022)
    assert mode(deep) == 0o600
    if mask != 0o777:
        assert {mode(deep.parent), mode(deep.parent.parent)} == {0o700}


def test_the_file_is_private_from_its_first_byte(store, umask, monkeypatch):
    opened = []
    create = os.open

    def watch(path, flags, mode=0o777):
        descriptor = create(path, flags, mode)
        if flags & os.O_CREAT:
            opened.append(os.fstat(descriptor).st_mode & 0o777)
        return descriptor

    umask(0)
    monkeypatch.setattr(os, "open", watch)
    store.swap(0, FIRST)
    assert opened == [0o600, 0o600]  # the lock to write, the new file


def test_a_tilde_is_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    FileStore("~/.config/app/session.json").swap(0, FIRST)
    assert same(FileStore(tmp_path / ".config/app/session.json").read(), FIRST)


def test_a_home_directory_that_does_not_exist_is_no_directory_with_a_tilde():
    with pytest.raises(StorageError, match="no such home directory"):
        FileStore("~nobody-of-this-name/session.json")


def test_a_relative_path_stays_where_the_store_was_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = FileStore("session.json")
    monkeypatch.chdir("/")
    assert store.swap(0, FIRST)
    assert (tmp_path / "session.json").exists()


def test_a_link_stays_a_link_and_shares_the_locks_of_its_file(tmp_path, path):
    link = tmp_path / "link.json"
    link.symlink_to(path)
    through = FileStore(link)
    assert through.swap(0, FIRST)
    assert link.is_symlink()
    assert same(FileStore(path).read(), FIRST)
    with through.lock(0), FileStore(path).lock(0) as second:
        assert not second


def test_a_link_that_came_later_is_not_followed(store, path, tmp_path):
    (tmp_path / "elsewhere").write_text("kept as it is")
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    for operation in (store.read, lambda: store.swap(0, FIRST)):
        with pytest.raises(StorageError):
            operation()
    assert (tmp_path / "elsewhere").read_text() == "kept as it is"


def test_a_file_that_others_can_read_is_private_after_the_next_write(store, path):
    store.swap(0, FIRST)
    path.chmod(0o644)
    assert same(store.read(), FIRST)
    assert store.swap(1, SECOND)
    assert mode(path) == 0o600


@pytest.mark.parametrize("others", [0o620, 0o602])
def test_a_file_that_others_can_write_is_refused_and_left(store, path, others):
    store.swap(0, FIRST)
    path.chmod(others)
    for operation in (store.read, lambda: store.swap(1, SECOND)):
        with pytest.raises(StorageError, match="chmod 600"):
            operation()
    path.chmod(0o600)
    assert same(store.read(), FIRST)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_file_of_another_user_is_refused_and_left(store, path):
    store.swap(0, FIRST)
    os.chown(path, NOBODY, -1)
    for operation in (store.read, lambda: store.swap(1, SECOND)):
        with pytest.raises(StorageError, match="belongs to another user"):
            operation()
    os.chown(path, 0, -1)
    assert same(store.read(), FIRST)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused_at_once(store, path, make):
    path.parent.mkdir()
    make(path)
    for operation in (store.read, lambda: store.swap(0, FIRST)):
        with pytest.raises(StorageError, match="not a file"):
            operation()


BROKEN = {
    "half": b'{\n "format": 1,\n "version": 1,\n "docum',
    "zeros": bytes(4096),
    "binary": bytes(range(256)),
    "other json": b'{"refresh_token": "r1"}',
    "list": b"[1]",
    "format zero": b'{"format": 0, "version": 1, "document": {}}',
    "format text": b'{"format": "2", "version": 1, "document": {}}',
    "version zero": b'{"format": 1, "version": 0, "document": {}}',
    "version text": b'{"format": 1, "version": "1", "document": {}}',
    "no document": b'{"format": 1, "version": 1}',
    "deep": b'{"format": 1, "version": 1, "document": ' + b"[" * 200_000,
    "huge": b" " * (file.LARGEST + 1),
    "long number": b'{"format": 1, "version": ' + b"1" * 10_000 + b', "document"',
    "two": b'{"format": 1, "version": 1, "document": {}}' * 2,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("first", ["read", "swap"])
def test_what_cannot_be_understood_is_put_aside_and_counts_as_nothing(store, path, content, first):
    path.parent.mkdir()
    path.write_bytes(content)
    if first == "read":
        assert store.read() is None
        assert not path.exists()
    assert store.swap(0, FIRST)
    assert same(store.read(), FIRST)
    assert (path.parent / f"{path.name}.unreadable-1").read_bytes() == content


def test_nothing_that_was_put_aside_is_ever_overwritten(store, path):
    path.parent.mkdir()
    for content in ("one", "two", "three"):
        path.write_text(content)
        assert store.read() is None
    aside = {f"session.json.unreadable-{n}" for n in (1, 2, 3)}
    assert beside(path) == aside
    assert {(path.parent / name).read_text() for name in aside} == {"one", "two", "three"}


def test_who_finds_it_broken_does_not_put_aside_what_another_wrote_meanwhile(
    store, path, monkeypatch
):
    path.parent.mkdir()
    path.write_text("broken")
    alone = store._alone

    def late():
        FileStore(path).swap(0, FIRST)
        return alone()

    monkeypatch.setattr(store, "_alone", late)
    assert same(store.read(), FIRST)
    assert beside(path) == {"session.json.unreadable-1"}


def test_an_empty_file_is_no_session(store, path):
    path.parent.mkdir()
    path.touch(0o600)
    assert store.read() is None
    assert store.swap(0, FIRST)
    assert beside(path) == set()


def test_the_file_of_a_later_version_is_neither_read_nor_replaced_nor_moved(store, path):
    later = b'{"format": 2, "sessions": []}'
    path.parent.mkdir()
    path.write_bytes(later)
    for operation in (store.read, lambda: store.swap(0, FIRST)):
        with pytest.raises(StorageError, match="upgrade perennial-client"):
            operation()
    assert path.read_bytes() == later
    assert beside(path) == set()


def test_a_session_that_could_not_be_read_again_is_not_written(store):
    store.swap(0, FIRST)
    with pytest.raises(StorageError, match="too long"):
        store.swap(1, kept(2, refresh_token="r" * file.LARGEST))
    assert same(store.read(), FIRST)


def test_a_full_disk_leaves_what_was_there(store, path):
    store.swap(0, FIRST)

    def child():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        with pytest.raises(StorageError, match="File too large"):
            store.swap(1, kept(2, refresh_token="r" * 1000))

    assert ended(forked(child)) == 0
    assert same(store.read(), FIRST)
    assert beside(path) == set()
    assert store.swap(1, SECOND)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("call", ["open", "fchmod", "write", "fsync", "close", "replace"])
def test_a_call_that_fails_leaves_what_was_there(store, path, monkeypatch, call, code):
    store.swap(0, FIRST)
    real = getattr(os, call)

    def fails(*arguments, **named):
        if call == "open" and not arguments[1] & os.O_CREAT:
            return real(*arguments, **named)
        if call == "close":
            real(*arguments)
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails)
        with pytest.raises(StorageError, match=os.strerror(code)):
            store.swap(1, SECOND)
    assert same(FileStore(path).read(), FIRST)
    assert beside(path) == set()
    assert store.swap(1, SECOND)


def test_a_write_in_pieces_is_whole(store, path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:7]))
    assert store.swap(0, FIRST)
    assert same(store.read(), FIRST)


def test_a_replacement_stands_even_where_directories_cannot_be_synced(store, path, monkeypatch):
    sync = os.fsync

    def files_only(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    assert store.swap(0, FIRST)
    assert same(store.read(), FIRST)


def test_the_file_is_synced_before_it_is_renamed_and_the_directory_after(store, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace

    def watch_sync(descriptor):
        done.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def watch_replace(*paths):
        done.append("replace")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", watch_sync)
    monkeypatch.setattr(os, "replace", watch_replace)
    store.swap(0, FIRST)
    assert done == ["file", "replace", "directory"]


def test_a_file_in_place_of_the_directory_is_a_storage_error(store, path):
    path.parent.write_text("")
    for operation in (store.read, lambda: store.swap(0, FIRST)):
        with pytest.raises(StorageError, match="Not a directory"):
            operation()


def test_a_directory_that_cannot_be_written_can_be_read_and_not_replaced():
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "session.json"
        path.write_text('{"format": 1, "version": 1, "document": {"refresh_token": "r1"}}')
        path.chmod(0o644)
        Path(name).chmod(0o555)

        def child():
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            store = FileStore(path)
            assert same(store.read(), FIRST)
            with pytest.raises(StorageError, match="Permission denied"):
                store.swap(1, SECOND)
            with pytest.raises(StorageError, match="Permission denied"), store.lock(0):
                pass

        assert ended(forked(child)) == 0
        Path(name).chmod(0o700)


def test_what_killed_writers_left_is_deleted_and_nothing_else(store, path):
    path.parent.mkdir()
    others = {"session.json.tmp", "session.json.notes.tmp", "other.json.0123456789abcdef.tmp"}
    for name in others | {"session.json.0123456789abcdef.tmp"}:
        (path.parent / name).write_text("left")
    assert store.swap(0, FIRST)
    assert beside(path) == others


def test_who_writes_for_too_long_keeps_the_others_from_waiting_forever(store, path, monkeypatch):
    monkeypatch.setattr(file, "PATIENCE", 0.05)
    with store._alone(), pytest.raises(StorageError, match="writing for too long"):
        FileStore(path).swap(0, FIRST)
    assert store.swap(0, FIRST)


def test_reading_waits_for_nobody(store, path):
    store.swap(0, FIRST)
    with store._alone(), store.lock(0):
        assert same(FileStore(path).read(), FIRST)


def test_a_document_comes_back_equal_as_json(store):
    document = '{"n": 1.50, "text": "\\ud83d\\ude00 \\ud800", "list":[1,2 ,{}], "none": null}'
    store.swap(0, Kept(1, document))
    assert json.loads(store.read().document) == json.loads(document)


def test_no_error_quotes_what_was_in_the_file(store, path):
    secret = os.urandom(8).hex()
    path.parent.mkdir()
    path.write_text(f'{{"format": 9, "refresh_token": "{secret}"}}')
    with pytest.raises(StorageError) as caught:
        store.read()
    assert secret not in "".join(traceback.format_exception(caught.value))
