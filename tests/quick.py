"""What thousands of tests do alike, and none of them is about, for less: a password is hashed with
little memory, and the numbers of a private key are checked once.

Half of the time of a test went there. Servers in processes of their own are as they are.
"""

import contextlib
import functools
from collections.abc import Iterator

import pytest

from app.services import database_vault, key_directory, passwords

COST = (1, 8, 1)
HOUSE_COST = passwords.COST


@contextlib.contextmanager
def less_work() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "COST", COST)
        for module, load in (
            (key_directory, "load_pem_private_key"),
            (database_vault, "load_der_private_key"),
        ):
            patch.setattr(module, load, functools.cache(getattr(module, load)))
        yield
