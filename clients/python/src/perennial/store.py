"""Where a session is kept: one document, replaced as a whole, shared by everybody who uses it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from perennial.errors import SessionError, StorageError


@dataclass(frozen=True, slots=True)
class Kept:
    """A document of JSON and its version, which rises with every replacement."""

    version: int
    document: str = field(repr=False)


class Withheld(StorageError):  # noqa: N818  # its kind says that it is one
    """The document is there, but not its refresh token. `there` is the rest: enough for who replaces
    the session by another one or by none, and too little to say that it is over.
    """

    def __init__(self, message: str, there: Kept) -> None:
        super().__init__(message, there)  # both, so that it can be copied
        self.there = there

    def __str__(self) -> str:
        return str(self.args[0])


class Store(Protocol):
    """Safe among threads, and among processes where it is on disk. `StorageError` from any method:
    it cannot be read or written now, and what it holds is as it was.
    """

    def read(self) -> Kept | None:
        """What is there; None where nothing ever was. What cannot be understood is put aside,
        never deleted, and counts as nothing.
        """
        ...

    def swap(self, expected: int, new: Kept) -> bool:
        """Replace version `expected` (0: nothing is there) by `new`, at once and durably. False,
        and nothing is changed, when another version is there.
        """
        ...

    def lock(self, timeout: float) -> AbstractContextManager[bool]:
        """Hold the right to refresh, among threads and processes; False when it could not be had
        in `timeout` seconds. It ends with the process that held it. `swap` works without it.
        """
        ...


@contextmanager
def calling(name: str) -> Iterator[None]:
    """What the application's part of a store raises there is a `StorageError`."""
    try:
        yield
    except SessionError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever a database raises
        # Databases quote the statement's values, here tokens: the cause goes no further.
        raise StorageError(f"`{name}` of the store failed: {type(error).__name__}") from None


@contextmanager
def locking(
    lock: Callable[[float], AbstractContextManager[bool]], timeout: float
) -> Iterator[bool]:
    """`lock`, whose own failures are a `StorageError`; what fails under it goes on as it is."""
    with ExitStack() as stack:
        with calling("lock"):
            held = stack.enter_context(lock(timeout))
        yield held
        with calling("lock"):
            stack.close()
