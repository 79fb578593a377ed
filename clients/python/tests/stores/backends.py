"""What stands in for an operating system's keyring and an application's database."""

import threading
from contextlib import contextmanager

import keyring.errors
from keyring.backend import KeyringBackend


class Ring(KeyringBackend):
    """An operating system's keyring, as far as its programs see it."""

    priority = 0

    def __init__(self, directory):
        super().__init__()
        directory.mkdir()
        self.directory, self.locked, self.seen = directory, False, []

    def get_password(self, service, username):
        self._open("get")
        try:
            return (self.directory / f"{service}.{username}").read_text()
        except FileNotFoundError:
            return None

    def set_password(self, service, username, password):
        self._open("set")
        (self.directory / f"{service}.{username}").write_text(password)

    def delete_password(self, service, username):
        self._open("delete")
        try:
            (self.directory / f"{service}.{username}").unlink()
        except FileNotFoundError as error:
            raise keyring.errors.PasswordDeleteError(username) from error

    def tokens(self):
        return sorted(entry.read_text() for entry in self.directory.iterdir())

    def _open(self, operation):
        self.seen.append(operation)
        if self.locked:
            raise keyring.errors.KeyringLocked("locked")


class Row:
    """The table of an application."""

    def __init__(self):
        self.kept, self.changing, self.refreshing = None, threading.Lock(), threading.Lock()

    def read(self):
        return self.kept

    def swap(self, expected, new):
        with self.changing:
            if (self.kept.version if self.kept else 0) != expected:
                return False
            self.kept = new
            return True

    @contextmanager
    def lock(self, timeout):
        held = self.refreshing.acquire(timeout=timeout)
        try:
            yield held
        finally:
            if held:
                self.refreshing.release()
