"""Rings for tests of the core."""

from types import MappingProxyType

from app.core.refresh_token import GENERATION_BYTES, Ring

LAST_GENERATION = 2 ** (8 * GENERATION_BYTES) - 1


def single_secret(secret: bytes, secret_id: int = 1) -> Ring:
    """A ring of one, as right after the first start."""
    return Ring(MappingProxyType({secret_id: secret}), secret_id, frozenset({secret_id}), secret_id)
