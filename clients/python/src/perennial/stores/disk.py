"""What stores on disk ask of the operating system."""

# pathlib takes longer to import than all stores together.
# ruff: noqa: PTH101, PTH102, PTH104, PTH105, PTH108, PTH111, PTH116, PTH118, PTH120, PTH208

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from perennial.errors import StorageError

Location = str | os.PathLike[str]

_PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700
_NOISE = 8
_UNFINISHED = ".tmp"

# Each is missing somewhere.
_BINARY = getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)


@contextmanager
def storage_errors(path: str) -> Iterator[None]:
    """What the operating system refuses is a `StorageError` that says where."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or type(error).__name__}") from error


def resolved(location: Location) -> str:
    """Absolute, with `~` and symbolic links resolved, so that everybody who means one file takes
    the same locks, and a link stays a link when the file behind it is replaced.
    """
    path = os.path.expanduser(os.fspath(location))
    if path.startswith("~"):
        raise StorageError(f"{path}: there is no such home directory")
    return os.path.realpath(path)


def status(path: str) -> os.stat_result | None:
    """Looked at without opening it."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def check_owner(path: str, found: os.stat_result) -> None:
    """Who can write a session can sign its reader in as somebody else: nobody else may.

    That others can read it is no reason to refuse: the next write replaces it by a private file.
    """
    if not stat.S_ISREG(found.st_mode):
        raise StorageError(f"{path}: this is not a file")
    if sys.platform == "win32":  # permissions are inherited from the profile there
        return
    _check_user(path, found)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StorageError(f"{path}: others can write to this file; use chmod 600")


def _check_user(path: str, found: os.stat_result) -> None:
    if sys.platform != "win32" and found.st_uid not in {os.geteuid(), 0}:
        raise StorageError(f"{path}: this file belongs to another user")


def make_private(path: str) -> None:
    """Take from others the right to read it, without opening it. What is root's, only root can."""
    if sys.platform == "win32":
        return
    with suppress(FileNotFoundError):
        found = os.lstat(path)
        open_to_others = stat.S_ISREG(found.st_mode) and found.st_mode & 0o077
        if open_to_others and found.st_uid == os.geteuid():
            os.chmod(path, _PRIVATE_FILE)


def read(path: str, most: int) -> bytes | None:
    """As many bytes, or all of them; None where nothing is."""
    # A link that came after the store was made leads who knows where, and a pipe never answers.
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_LINK | _NO_WAIT | _BINARY)
    except FileNotFoundError:
        return None
    try:
        check_owner(path, os.fstat(descriptor))
        parts = []
        while most > 0 and (part := os.read(descriptor, most)):
            parts.append(part)
            most -= len(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def replace(path: str, content: bytes) -> None:
    """At once and durably, by a file that has always been its owner's alone. What was there is
    untouched when it fails.
    """
    unfinished = f"{path}.{os.urandom(_NOISE).hex()}{_UNFINISHED}"
    try:
        descriptor = _create_private(unfinished)
        try:
            while content:
                content = content[os.write(descriptor, content) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished)
        raise
    _sync_directory(path)


def sweep(path: str) -> None:
    """Delete what `replace` left when it was killed. The caller keeps everybody from writing."""
    directory, name = os.path.split(path)
    for entry in os.listdir(directory):
        noise = entry.removeprefix(f"{name}.").removesuffix(_UNFINISHED)
        if entry == f"{name}.{noise}{_UNFINISHED}" and len(noise) == 2 * _NOISE:
            os.unlink(os.path.join(directory, entry))


def put_aside(path: str) -> None:
    """Rename what cannot be understood to `.unreadable-1`, or the first number that is free, where
    it is private: there may be a token in it. The caller keeps everybody from writing.
    """
    make_private(path)
    number = 1
    while os.path.lexists(aside := f"{path}.unreadable-{number}"):
        number += 1
    os.rename(path, aside)
    _sync_directory(path)


def open_lasting(path: str) -> int:
    """A descriptor of a file that is made when it is not there, with its directory. Another user's
    file could be kept locked by that user for ever.
    """
    try:
        descriptor = _open_existing(path)
    except FileNotFoundError:
        _make_directory(os.path.dirname(path))
        with suppress(FileExistsError):
            os.close(_create_private(path))
        descriptor = _open_existing(path)
    try:
        _check_user(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open_existing(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | _NO_LINK)  # not inherited by other programs: PEP 446
    except PermissionError:
        found = status(path)
        if found is not None and sys.platform != "win32" and found.st_uid != os.geteuid():
            raise StorageError(f"{path}: this file belongs to another user") from None
        raise


def _make_directory(path: str) -> None:
    """Make it and what is missing above it, for its owner alone whatever the umask."""
    with suppress(FileExistsError):
        try:
            os.mkdir(path, _PRIVATE_DIRECTORY)
        except FileNotFoundError:
            _make_directory(os.path.dirname(path))
            os.mkdir(path, _PRIVATE_DIRECTORY)


def _create_private(path: str) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, _PRIVATE_FILE)
    if sys.platform != "win32":
        os.fchmod(descriptor, _PRIVATE_FILE)  # an umask can take the owner's own rights away
    return descriptor


def _sync_directory(path: str) -> None:
    """Make the renames beside `path` survive a loss of power, where the file system can."""
    if sys.platform == "win32":
        return
    with suppress(OSError):  # the rename is done, whatever becomes of it: nobody can undo it here
        descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
