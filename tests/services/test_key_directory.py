"""Private keys on disk: nobody else reads them, and they are there whole or not at all."""

import os
import stat

import pytest
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
)

from app.core.refresh_token import SECRET_BYTES
from app.services import key_directory
from app.services.algorithms import new_private_key
from app.services.key_directory import KeyDirectory, KeyDirectoryError

KEY = new_private_key()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "deep" / "keys"


@pytest.fixture
def directory(folder):
    made = KeyDirectory(folder)
    made.prepare()
    return made


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.clause("rfc7517-9.2-02", "rfc7517-7-01")
def test_directory_and_files_are_for_their_owner_whatever_the_umask(folder):
    before = os.umask(0)
    try:
        directory = KeyDirectory(folder)
        directory.prepare()
        with directory.lock():
            directory.save_key("k", KEY)
            directory.new_secret(1)
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    assert {path.name: mode(path) for path in folder.iterdir()} == {
        ".lock": 0o600,
        "k.pem": 0o600,
        "refresh-1.secret": 0o600,
    }


def test_a_fresh_checkout_is_tightened_because_it_holds_no_key_yet(folder):
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("where keys will be")
    folder.chmod(0o755)
    KeyDirectory(folder).prepare()
    assert mode(folder) == 0o700


@pytest.mark.clause("rfc7517-9.2-02")
@pytest.mark.parametrize("wide", [0o701, 0o710, 0o750, 0o755, 0o770, 0o777])
def test_a_directory_that_let_others_in_is_refused_once_it_holds_a_key(directory, folder, wide):
    directory.save_key("k", KEY)
    folder.chmod(wide)
    with pytest.raises(KeyDirectoryError, match=rf"keys: mode {wide:04o} .*expected 0700$"):
        directory.prepare()
    assert mode(folder) == wide, "tightening it would hide that somebody may have read it"


@pytest.mark.clause("rfc7517-9.2-02")
@pytest.mark.parametrize("wide", [0o604, 0o640, 0o644, 0o660, 0o666, 0o620])
@pytest.mark.parametrize("name", ["k.pem", "refresh-1.secret"])
def test_a_file_that_let_others_in_is_refused(directory, folder, name, wide):
    directory.save_key("k", KEY)
    directory.new_secret(1)
    (folder / name).chmod(wide)
    complaint = rf"^{name}: mode {wide:04o} .*expected 0600$"
    with pytest.raises(KeyDirectoryError, match=complaint):
        directory.check()
    read = (lambda: directory.load_key("k")) if name == "k.pem" else directory.secrets
    with pytest.raises(KeyDirectoryError, match=complaint):
        read()


def test_a_key_comes_back_and_an_unknown_one_is_missed(directory):
    directory.save_key("k", KEY)
    assert directory.load_key("k").private_numbers() == KEY.private_numbers()
    assert directory.load_key("other") is None


def test_a_key_is_never_replaced(directory, folder):
    directory.save_key("k", KEY)
    directory.new_secret(1)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FileExistsError):
        directory.save_key("k", new_private_key())
    with pytest.raises(FileExistsError):
        directory.new_secret(1)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_an_interrupted_write_leaves_no_key_and_no_draft(directory, folder, monkeypatch):
    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        directory.save_key("k", KEY)
    assert list(folder.iterdir()) == []


def test_a_key_appears_under_its_name_only_when_it_is_on_disk(directory, folder, monkeypatch):
    seen: list[tuple[bool, bool]] = []
    sync = os.fsync

    def watch(descriptor):
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        seen.append((is_file, (folder / "k.pem").exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    directory.save_key("k", KEY)
    assert seen == [(True, False), (False, True)], "first the content, then its name"


def test_what_a_killed_writer_left_is_no_key(directory, folder):
    (folder / ".k.pem.0123456789abcdef").write_bytes(b"-----BEGIN PRIV")
    (folder / ".refresh-1.secret.0123456789abcdef").write_bytes(b"half")
    directory.prepare()
    assert directory.load_key("k") is None
    assert directory.secrets() == {}


# --- passphrase -----------------------------------------------------------------------------------


@pytest.mark.clause("rfc7517-9.2-02")
def test_a_passphrase_encrypts_what_is_written(folder):
    directory = KeyDirectory(folder, b"open sesame")
    directory.prepare()
    directory.save_key("k", KEY)
    pem = (folder / "k.pem").read_bytes()
    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    with pytest.raises(TypeError):
        load_pem_private_key(pem, None)
    assert directory.load_key("k").private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize(
    ("written", "read", "complaint"),
    [
        (b"one", None, r"^k\.pem: encrypted; set PERENNIAL_KEYS_PASSPHRASE_FILE$"),
        (None, b"one", r"^k\.pem: not encrypted, though PERENNIAL_KEYS_PASSPHRASE_FILE is set$"),
        (b"one", b"two", r"^k\.pem: not a readable private key$"),
    ],
)
def test_another_passphrase_than_the_keys_is_refused(folder, written, read, complaint):
    writer = KeyDirectory(folder, written)
    writer.prepare()
    writer.save_key("k", KEY)
    with pytest.raises(KeyDirectoryError, match=complaint):
        KeyDirectory(folder, read).load_key("k")


# --- damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a readable private key"),
        (b"\xff" * 100, "not a readable private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a readable"),
    ],
)
def test_a_damaged_key_is_refused_by_name_and_not_shown(directory, folder, content, complaint):
    (folder / "k.pem").write_bytes(content)
    (folder / "k.pem").chmod(0o600)
    with pytest.raises(KeyDirectoryError, match=rf"^k\.pem: {complaint}[a-z ]*$"):
        directory.load_key("k")


@pytest.mark.clause("rfc6749-10.10-02", "rfc6749-10.10-03")
def test_a_secret_is_32_random_bytes_and_known_by_its_id(directory):
    for secret_id in (1, 2, 255):
        directory.new_secret(secret_id)
    held = directory.secrets()
    assert set(held) == {1, 2, 255}
    assert {len(secret) for secret in held.values()} == {SECRET_BYTES}
    assert len(set(held.values())) == 3


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_secret_of_another_length_is_refused(directory, folder, length):
    (folder / "refresh-1.secret").write_bytes(b"s" * length)
    (folder / "refresh-1.secret").chmod(0o600)
    with pytest.raises(KeyDirectoryError, match=r"^refresh-1\.secret: a secret has 32 bytes$"):
        directory.secrets()


@pytest.mark.parametrize("name", ["refresh-0.secret", "refresh-01.secret", "refresh-x.secret"])
def test_a_file_of_another_name_is_no_secret(directory, folder, name):
    (folder / name).write_bytes(b"s" * SECRET_BYTES)
    assert directory.secrets() == {}


def test_one_holder_at_a_time_has_the_lock_and_takes_it_along_when_it_dies(directory):
    with directory.lock():
        child = os.fork()
        if child == 0:
            os._exit(_try_lock(directory))
        assert os.waitpid(child, 0)[1] >> 8 == 1, "somebody else holds it"
    child = os.fork()
    if child == 0:
        directory.lock().__enter__()
        os._exit(0)  # dies holding it
    os.waitpid(child, 0)
    with directory.lock():
        pass


def _try_lock(directory) -> int:
    import fcntl

    descriptor = os.open(directory.path / ".lock", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 1
    return 0


def test_a_holder_that_was_stopped_does_not_stop_the_others_for_good(directory, monkeypatch):
    monkeypatch.setattr(key_directory, "PATIENCE", 0.0)
    with (
        directory.lock(),
        pytest.raises(KeyDirectoryError, match="another process has held"),
        KeyDirectory(directory.path).lock(),
    ):
        raise AssertionError("two have it")
    with directory.lock():
        pass
