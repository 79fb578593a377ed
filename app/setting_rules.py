"""What a setting has to be: a check together with its words, so that refusals and the generated
`docs/settings.md` cannot disagree.
"""

import base64
import ipaddress
import posixpath
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

OTHERS_MAY_USE = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_ISSUER = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])"
    r"(?::[1-9][0-9]{0,4})?(?:/(?:[\w.~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)*",
    re.ASCII,
)
# An @ behind the host is refused: SQLAlchemy would take what stands before it for a password.
_POSTGRESQL = re.compile(
    r"postgresql\+psycopg://(?=.)(?:[^\s:/?@]*(?::[^\s/?@]*)?@)?(?:\[[0-9A-Fa-f:.]+\]|[^\s:/?@\[\]]+)?"
    r"(?::[0-9]{1,5})?(?:/[^\s?@]*(?:\?[^\s@]*)?)?"
)
_ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\w.~:/?\[\]@!$&'()*+,;=%-]+", re.ASCII)

KEK_BYTES = 32
WEBHOOK_SECRET_BYTES = range(24, 65)


@dataclass(frozen=True)
class Rule:
    """A check and its words. The check returns the value to keep; ValueError or OSError refuses."""

    expected: str
    check: Callable[[str], object]


def whole(unit: str, least: int, most: int) -> Rule:
    def check(text: str) -> int:
        if not re.fullmatch("[0-9]+", text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return Rule(f"{unit} from {least} to {most}", check)


def seconds(least: int, most: int) -> Rule:
    return whole("whole seconds", least, most)


def _issuer(text: str) -> str:
    """The syntax of RFC 8414 section 2, in the one spelling that survives comparison as text."""
    parts = _ISSUER.fullmatch(text)
    if parts is None:
        raise ValueError
    if parts["host"].startswith("["):
        ipaddress.IPv6Address(parts["host"][1:-1])
    _ = urlsplit(text).port  # raises when above 65535
    return text


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in ipaddress.ip_network("127.0.0.0/8") or address == ipaddress.IPv6Address("::1")


def _database_url(text: str) -> str:
    if text.startswith("sqlite:"):
        sqlite_file(text)
        return text
    if not _POSTGRESQL.fullmatch(text):
        raise ValueError
    _ = urlsplit(text).port  # raises when above 65535
    return text


def sqlite_file(url: str) -> str:
    """The file's path as written, relative or absolute. In-memory databases have none."""
    scheme, slashes, quoted = url.partition(":///")
    path = unquote(quoted, errors="strict")
    named = posixpath.basename(path) not in {"", ".", "..", ":memory:"}
    plain = path.isprintable() and "?" not in quoted and not path.startswith("file:")
    if scheme != "sqlite" or not slashes or not named or not plain:
        raise ValueError
    return path


def _redis_url(text: str) -> str:
    if not re.fullmatch("[!-~]+", text):
        raise ValueError
    parts = urlsplit(text)
    if text.startswith("unix://"):
        usable = parts.hostname is None and not parts.path.endswith("/") and parts.path != ""
    else:
        usable = text.startswith(("redis://", "rediss://")) and bool(parts.hostname)
        _ = parts.port  # raises when it is no port
    if not usable:
        raise ValueError
    return text


def _absolute_uri(text: str) -> str:
    parts = urlsplit(text)
    without_host = parts.scheme in {"http", "https"} and not parts.netloc
    if without_host or not _ABSOLUTE_URI.fullmatch(text):
        raise ValueError
    return text


def _webhook_url(text: str) -> str:
    parts = urlsplit(text)
    plain = not parts.username and not parts.fragment and re.fullmatch("[!-~]+", text)
    secure = parts.scheme == "https" or (
        parts.scheme == "http" and is_loopback(parts.hostname or "")
    )
    if not plain or not secure or not parts.hostname:
        raise ValueError
    _ = parts.port  # raises when it is no port
    return text


def _webhook_secret_file(text: str) -> Path:
    path = Path(text)
    webhook_secret(path)
    return path


def webhook_secret(path: Path) -> bytes:
    """The key in a file of the form that Standard Webhooks gives it."""
    prefix, _, encoded = read_secret(path).partition(b"_")
    secret = base64.b64decode(encoded, validate=True)
    if prefix != b"whsec" or len(secret) not in WEBHOOK_SECRET_BYTES:
        raise ValueError
    return secret


def _directory(text: str) -> Path:
    path = Path(text)
    if "\0" in text:
        raise ValueError
    whole = path.absolute()
    if not next(each for each in (whole, *whole.parents) if each.exists()).is_dir():
        raise ValueError
    return path


def _secret_file(text: str) -> Path:
    path = Path(text)
    read_secret(path)
    return path


def read_secret(path: Path) -> bytes:
    """The content without its line ending, from a file that is nobody else's business."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) or mode & OTHERS_MAY_USE:
        raise ValueError
    secret = path.read_bytes().removesuffix(b"\n").removesuffix(b"\r")
    if not secret:
        raise ValueError
    return secret


def _kek_file(text: str) -> Path:
    path = Path(text)
    key_encryption_keys(path)
    return path


def key_encryption_keys(path: Path) -> list[bytes]:
    """The keys in a file that holds one in base64 on each line; the first is the one to use."""
    keys = [base64.b64decode(line, validate=True) for line in read_secret(path).split()]
    if {len(key) for key in keys} != {KEK_BYTES}:
        raise ValueError
    return keys


ISSUER = Rule(
    "an https URL with a lower-case host, without user, query, fragment or trailing slash "
    "(in development also http on a loopback host)",
    _issuer,
)
DATABASE_URL = Rule(
    "sqlite:///file without a query, or postgresql+psycopg://user:password@host/name "
    "(special characters percent-encoded)",
    _database_url,
)
REDIS_URL = Rule("a redis://host, rediss://host or unix:///socket URL", _redis_url)
KEYS_DIR = Rule("a directory, or a path where one can be made", _directory)
SECRET_FILE = Rule(
    "a file that is not empty and that only its owner can read or write", _secret_file
)
WEBHOOK_URL = Rule(
    "an https URL (on a loopback host also http) without user and fragment", _webhook_url
)
WEBHOOK_SECRET_FILE = Rule(
    "a file that only its owner can read or write, with whsec_ and 24 to 64 bytes in base64",
    _webhook_secret_file,
)
KEK_FILE = Rule(
    "a file that only its owner can read or write, each line 32 bytes in base64", _kek_file
)
ABSOLUTE_URI = Rule("an absolute URI without a fragment", _absolute_uri)
