"""Resource indicators (RFC 8707): which audiences a token may name."""

from collections.abc import Collection
from urllib.parse import urlsplit


def is_absolute_uri(text: str) -> bool:
    """An absolute URI without a fragment (RFC 8707 §2)."""
    if not text.isascii() or not text.isprintable() or " " in text or "#" in text:
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and (parts.netloc or parts.path))


def narrow(requested: Collection[str], granted: Collection[str]) -> tuple[str, ...] | None:
    """What a request gets out of `granted`: all when it names nothing, None when it names more."""
    if not requested:
        return tuple(granted)
    wanted = tuple(dict.fromkeys(requested))
    return wanted if set(wanted) <= set(granted) else None
