"""Requests and answers of HTTP, whoever carries them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_MAX_AGE = re.compile(r'(?:^|[,\s])max-age\s*=\s*"?(\d{1,9})"?(?=$|[,\s])', re.IGNORECASE)
_AGE = re.compile(r"\s*(\d{1,10})\s*", re.ASCII)
_NEVER_KEEP = re.compile(r"(?:^|[,\s])no-(?:store|cache)(?=$|[,\s=])", re.IGNORECASE)


class TransportError(Exception):
    """No answer, or none that can be used. `reached` is False when nothing of the request can have
    come to the server.
    """

    def __init__(self, message: str, *, reached: bool = True) -> None:
        super().__init__(message)
        self.reached = reached


class TooLongError(TransportError):
    """More than `Request.longest` came, so that it is not what was asked for."""


@dataclass(frozen=True, slots=True)
class Request:
    """With a body it is a POST of a form. `longest` is in bytes, `timeout` in seconds."""

    url: str
    timeout: float
    longest: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def max_age(self) -> float | None:
        """What Cache-Control allows (RFC 9111 §5.2.2), in seconds; None when it says nothing. The time
        that a cache on the way has kept the answer counts (§4.2.3).
        """
        said = self.headers.get("cache-control", "")
        if _NEVER_KEEP.search(said):
            return 0
        found = _MAX_AGE.search(said)
        if found is None:
            return None
        spent = _AGE.fullmatch(self.headers.get("age", ""))
        return float(max(0, int(found[1]) - (int(spent[1]) if spent else 0)))


Transport = Callable[[Request], Response]


def safe_url(url: str) -> str:
    """The URL back, if nobody on the way can change what it answers; `ValueError` otherwise."""
    parts = urlsplit(url)
    safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))
    if not safe or not parts.hostname or "@" in parts.netloc or not url.isascii():
        raise ValueError("an https URL was expected (http on loopback only)")
    _ = parts.port  # raises when it is none
    return url


def origin(url: str) -> tuple[str, str | None, int | None]:
    """RFC 6454 §4."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or usual


def _is_loopback(host: str | None) -> bool:
    import ipaddress  # noqa: PLC0415  # most hosts are names, and an import is dear

    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
