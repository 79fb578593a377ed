"""A session where the application keeps everything else: a row of its own database."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from perennial.errors import SessionError, StorageError
from perennial.store import Kept


class CallbackStore:
    """Three functions that do what `Store` asks of its methods. What they raise is `StorageError`.

    `lock` is best a lock of the session's row (`SELECT ... FOR UPDATE`) that is given up by a
    timeout. Without `lock` nobody ever has it: several refresh at once, `swap` lets one of them
    win, and the server has to forgive the others.
    """

    def __init__(
        self,
        *,
        read: Callable[[], Kept | None],
        swap: Callable[[int, Kept], bool],
        lock: Callable[[float], AbstractContextManager[bool]] | None = None,
    ) -> None:
        self._read, self._swap, self._lock = read, swap, lock

    def read(self) -> Kept | None:
        with _calling("read"):
            return self._read()

    def swap(self, expected: int, new: Kept) -> bool:
        with _calling("swap"):
            return self._swap(expected, new)

    @contextmanager
    def lock(self, timeout: float) -> Iterator[bool]:
        if self._lock is None:
            yield False
            return
        with ExitStack() as stack:
            with _calling("lock"):
                held = stack.enter_context(self._lock(timeout))
            yield held
            with _calling("lock"):
                stack.close()


@contextmanager
def _calling(name: str) -> Iterator[None]:
    try:
        yield
    except SessionError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever the database raises
        # Databases quote the statement's values, here tokens: the cause goes no further.
        raise StorageError(f"`{name}` of the store failed: {type(error).__name__}") from None
