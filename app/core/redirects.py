"""Redirect URIs: what may be registered, what matches a registration, where a page may send to."""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

from app.core import resources

LONGEST = 2000
LARGEST_PORT = 65535
_LITERAL = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([0-9]{1,5}))?((?:[/?].*)?)")
_RESERVED = frozenset({"code", "state", "iss", "error", "error_description", "error_uri"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_NETLOC = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")
_SCHEME = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+")


def objection(uri: str) -> str | None:
    """Why the URI cannot be registered, in words that go on after it; None when it can."""
    if len(uri) > LONGEST or not resources.is_absolute_uri(uri) or "\\" in uri:
        return "is no absolute URI without fragment"
    if _RESERVED & {name for name, _ in parse_qsl(urlsplit(uri).query, keep_blank_values=True)}:
        return "has a query parameter that answers use (rfc6749-3.1-10)"
    if "*" in uri:
        return "has a wildcard, and redirect URIs are compared exactly (rfc9700-2.1-01)"
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"}:
        return _objection_to_web(uri)
    if not uri.startswith(parts.scheme + ":") or not _SCHEME.fullmatch(parts.scheme):
        return (
            "must be https, http on loopback, or a scheme in lower case that is a domain name "
            "in reverse, with a dot (rfc8252-8.4-04)"
        )
    return None


def _objection_to_web(uri: str) -> str | None:
    parts = urlsplit(uri)
    try:
        _ = parts.port  # raises when it is none
    except ValueError:
        return "has no port that exists"
    # Also what a Content Security Policy would read as more than a host.
    if not uri.startswith(f"{parts.scheme}://") or not _NETLOC.fullmatch(parts.netloc):
        return "needs a host in lower case, without a user name, and a port that exists"
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        return "must be https; http is for loopback only (rfc9700-2.6-05)"
    return None


def is_named_loopback(uri: str) -> bool:
    """`localhost`, which may resolve to anything (RFC 8252 §8.3)."""
    return urlsplit(uri).scheme == "http" and urlsplit(uri).hostname == "localhost"


def matches(registered: Iterable[str], requested: str) -> bool:
    """Octet for octet, but for the port of a loopback address (RFC 8252 §7.3)."""
    return any(uri == requested or _same_but_port(uri, requested) for uri in registered)


def _same_but_port(registered: str, requested: str) -> bool:
    ours, theirs = _LITERAL.fullmatch(registered), _LITERAL.fullmatch(requested)
    if ours is None or theirs is None:
        return False
    port = theirs[2]
    exists = port is None or (not port.startswith("0") and int(port) <= LARGEST_PORT)
    return exists and (ours[1], ours[3]) == (theirs[1], theirs[3])


def vouches(uri: str) -> bool:
    """Whether only the client can receive what is sent there: DNS and TLS say so. Any program of a
    device may listen on a port or claim a scheme (RFC 8252 §8.6).
    """
    return uri.startswith("https://")


def source(uri: str) -> str:
    """The URI's origin as a Content Security Policy writes it, a bare scheme where it cannot."""
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"} or "[" in parts.netloc:
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}"
