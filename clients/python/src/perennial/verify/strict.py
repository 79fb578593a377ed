"""Base64url and JSON from strangers: one reading each, or `ValueError`."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, NoReturn


def base64url(text: str) -> bytes:
    """RFC 7515 §2: no padding, no foreign characters, no bits left over."""
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    # b64decode skips characters it does not know; what was read must be all that was written.
    if urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise ValueError("not base64url")
    return data


def json_object(data: bytes) -> dict[str, Any]:
    """One JSON object in UTF-8 without doubled members (RFC 7515 §4)."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=_members, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004  # every refusal is a ValueError here
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _no_constant(_: str) -> NoReturn:
    raise ValueError("not JSON")
