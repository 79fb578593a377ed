"""Users' passwords: Argon2id, one at a time, the same work whether or not the user exists."""

import contextlib
import secrets
import threading
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

LONGEST = 1024  # UTF-8 bytes, as sent
FREE_THREADS = 2
COST = (2, 19_456, 1)  # passes, KiB of memory, lanes
NEXT_TRY = 1  # seconds: a full queue of seven is empty long before

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Verified:
    """`new_hash` replaces the stored one, whose parameters are out of date.

    `damaged` is for the operator: the stored hash is none, so nobody can sign in with it.
    """

    ok: bool
    new_hash: str | None = None
    damaged: bool = False


@dataclass(frozen=True)
class Busy:
    """Nothing was computed; `retry_after` is whole seconds."""

    retry_after: int


class Passwords:
    """Hashes and verifies behind a gate, so that sign-ins leave the processor to refreshes.

    In each process one caller hashes (about 20 ms and 19 MiB), at most `waiting` more wait at most
    `patience` seconds, and all others are `Busy` at once. Make it before the workers are forked.
    """

    def __init__(self, waiting: int = 6, patience: float = 3.0) -> None:
        self._gate = Gate(waiting, patience)
        self._hasher = PasswordHasher(*COST, type=Type.ID)
        self._nobody = self._hasher.hash(secrets.token_bytes(32))

    def make_room(self, threads: int) -> None:
        """Leave two threads of this process to refreshes, however many people sign in at once.

        Call it when the number of threads is known, before the first sign-in.
        """
        self._gate = self._gate.resized(max(0, threads - 1 - FREE_THREADS))

    def hash(self, password: str) -> str | Busy:
        """Raises ValueError for a password that is empty, too long or not Unicode."""
        prepared = _prepare(password)
        if prepared is None:
            raise ValueError(f"a password has 1 to {LONGEST} bytes of UTF-8")
        return self._gate.run(partial(self._hasher.hash, prepared))

    def verify(self, stored: str | None, password: str) -> Verified | Busy:
        """`stored` is None for an unknown user: never ok, and the same work."""
        return self._gate.run(partial(self._verify, stored, _prepare(password)))

    def _verify(self, stored: str | None, password: bytes | None) -> Verified:
        if stored is None or password is None:
            return self._refuse()
        try:
            self._hasher.verify(stored, password)
            outdated = self._hasher.check_needs_rehash(stored)
        except VerifyMismatchError:
            return Verified(ok=False)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return self._refuse(damaged=True)
        return Verified(ok=True, new_hash=self._hasher.hash(password) if outdated else None)

    def _refuse(self, *, damaged: bool = False) -> Verified:
        """The work of a verification for nothing."""
        with contextlib.suppress(VerificationError):
            self._hasher.verify(self._nobody, b"")
        return Verified(ok=False, damaged=damaged)


class Gate:
    """Lets one through at a time; the rest wait in a bounded queue for a bounded time."""

    def __init__(self, waiting: int, patience: float) -> None:
        self._room = threading.BoundedSemaphore(1 + waiting)
        self._turn = threading.Lock()
        self._patience = patience

    def resized(self, waiting: int) -> "Gate":
        return Gate(waiting, self._patience)

    def run(self, work: Callable[[], Answer]) -> Answer | Busy:
        if not self._room.acquire(blocking=False):
            return Busy(NEXT_TRY)
        try:
            if not self._turn.acquire(timeout=self._patience):
                return Busy(NEXT_TRY)
            try:
                return work()
            finally:
                self._turn.release()
        finally:
            self._room.release()


def _prepare(password: str) -> bytes | None:
    """The OpaqueString of RFC 8265 §4.2.2, None when there is none: every space is a plain one, the
    form is NFC, nothing is trimmed. Control characters and code points unassigned so far stay
    allowed, since people have such passwords.
    """
    try:
        size = len(password.encode())
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can express
        return None
    if not 0 < size <= LONGEST:
        return None
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in password)
    return unicodedata.normalize("NFC", spaced).encode()
