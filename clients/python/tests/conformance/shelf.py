"""A session file, and what can be wrong with it."""

import json
from pathlib import Path

from perennial.errors import StorageError
from perennial.stores import FileStore


def tokens_of(kept):
    return None if kept is None else json.loads(kept.document).get("refresh_token")


class Shelf:
    """A `FileStore` under a `condition` of the step `store`."""

    def __init__(self, path):
        self.path = Path(path)
        self._store = FileStore(path)
        self._condition, self._good, self._spoilt = "well", None, None

    def become(self, condition):
        self._condition = condition
        if condition == "corrupt":
            self._spoil(b"\x00 no record")
        elif condition == "later":
            said = json.loads(self.path.read_text())
            said["document"]["format"] += 1
            self._spoil(json.dumps(said).encode())
        elif condition == "well" and self._spoilt is not None:
            if not self.path.exists() or self.path.read_bytes() == self._spoilt:
                self.path.write_bytes(self._good)
            self._spoilt = None

    def _spoil(self, content):
        self._good, self._spoilt = self.path.read_bytes(), content
        self.path.write_bytes(content)

    def read(self):
        self._refuse("unreadable")
        return self._store.read()

    def swap(self, expected, new):
        self._refuse("unreadable")
        if tokens_of(new) not in {None, tokens_of(self._store.read())}:
            self._refuse("full")
        return self._store.swap(expected, new)

    def lock(self, timeout):
        return self._store.lock(timeout)

    def _refuse(self, condition):
        if self._condition == condition:
            raise StorageError(f"the test says: {condition}")
