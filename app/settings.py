"""Every setting: one frozen value, read from the environment once.

A setting is one field of `Settings`. Its variable is the field's name in capitals after
`PERENNIAL_`; its rule holds the check together with the words for what is expected, so that
refusals and `docs/settings.md` cannot disagree. No refusal repeats the value: it may be a secret.
"""

import difflib
import ipaddress
import os
import posixpath
import re
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "PERENNIAL_"
TEST_PREFIX = "PERENNIAL_TEST_"  # belongs to the test-suite, never a setting
DEVELOPMENT_ISSUER = "http://127.0.0.1:8000"
TEN_YEARS = 3650 * 24 * 3600
DAY = 24 * 3600
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


class SettingsError(Exception):
    """One line that names a variable and what it expected, without the value that was given."""

    def __init__(self, variable: str, expectation: str) -> None:
        super().__init__(f"{variable}: expected {expectation}")


@dataclass(frozen=True)
class Rule:
    """A check and its words. The check returns the value to keep; ValueError or OSError refuses."""

    expected: str
    check: Callable[[str], object]


def _whole(unit: str, least: int, most: int) -> Rule:
    def check(text: str) -> int:
        if not re.fullmatch("[0-9]+", text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return Rule(f"{unit} from {least} to {most}", check)


def _seconds(least: int, most: int) -> Rule:
    return _whole("whole seconds", least, most)


def _issuer(text: str) -> str:
    """The syntax of RFC 8414 section 2, in the one spelling that survives comparison as text."""
    parts = _ISSUER.fullmatch(text)
    if parts is None:
        raise ValueError
    if parts["host"].startswith("["):
        ipaddress.IPv6Address(parts["host"][1:-1])
    _ = urlsplit(text).port  # raises when above 65535
    return text


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in ipaddress.ip_network("127.0.0.0/8") or address == ipaddress.IPv6Address("::1")


def _database_url(text: str) -> str:
    if text.startswith("sqlite:"):
        _sqlite_file(text)
        return text
    if not _POSTGRESQL.fullmatch(text):
        raise ValueError
    _ = urlsplit(text).port  # raises when above 65535
    return text


def _sqlite_file(url: str) -> str:
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


def _directory(text: str) -> Path:
    path = Path(text)
    if "\0" in text or (path.exists() and not path.is_dir()):
        raise ValueError
    return path


def _secret_file(text: str) -> Path:
    path = Path(text)
    _read_secret(path)
    return path


def _read_secret(path: Path) -> bytes:
    """The content without its line ending, from a file that is nobody else's business."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) or mode & OTHERS_MAY_USE:
        raise ValueError
    secret = path.read_bytes().removesuffix(b"\n").removesuffix(b"\r")
    if not secret:
        raise ValueError
    return secret


Lifetime = Annotated[int, _seconds(1, TEN_YEARS)]
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
ABSOLUTE_URI = Rule("an absolute URI without a fragment", _absolute_uri)


def variable(name: str) -> str:
    """The environment variable of a field."""
    return PREFIX + name.upper()


def expected(name: str) -> str:
    """What a field's value has to be, in words."""
    field = Settings.model_fields[name]
    rule = _rule_of(field)
    return rule.expected if rule else " or ".join(get_args(field.annotation))


def _rule_of(field: FieldInfo) -> Rule | None:
    return next((rule for rule in field.metadata if isinstance(rule, Rule)), None)


def _in_development(earlier: Mapping[str, object]) -> bool:
    """Whether the fields validated so far say so; `env` is the first."""
    return earlier.get("env") == "development"


class Settings(BaseSettings):
    """The server's configuration. `load` makes it from the environment, tests from field names."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=variable,
        populate_by_name=True,
        case_sensitive=True,
        hide_input_in_errors=True,
    )

    env: Literal["production", "development"] = Field(
        default="production",
        description="`development` relaxes TLS-only rules for loopback and enables demo data, "
        "test clock and chaos mode",
    )
    issuer: Annotated[str | None, ISSUER] = Field(
        default_factory=lambda earlier: DEVELOPMENT_ISSUER if _in_development(earlier) else None,
        description="issuer identifier; `serve` and `check` need it in production",
    )
    database_url: Annotated[str, DATABASE_URL] = Field(
        default="sqlite:///instance/perennial.db",
        repr=False,
        description="a relative SQLite path resolves against the working directory; "
        "PostgreSQL for more than one host",
    )
    redis_url: Annotated[str | None, REDIS_URL] = Field(
        default=None,
        repr=False,
        description="shared rate-limit counters and replay caches; in-process when unset",
    )
    keys_dir: Annotated[Path, KEYS_DIR] = Field(
        default=Path("keys"), description="signing keys and secret ring (0700, files 0600)"
    )
    keys_passphrase_file: Annotated[Path | None, SECRET_FILE] = Field(
        default=None, description="holds the passphrase that encrypts private keys in the directory"
    )
    access_token_ttl: Lifetime = Field(default=900, description="lifetime of an access token")
    refresh_idle_ttl: Lifetime = Field(
        default=30 * DAY, description="a session ends after so long without a refresh"
    )
    session_ttl: Lifetime = Field(
        default=90 * DAY,
        description="absolute lifetime of sessions created at `/oauth/token` or in body mode",
    )
    reuse_grace: Annotated[int, _seconds(0, 300)] = Field(
        default=60,
        description="how long a refresh token whose answer was lost is accepted again; "
        "`0` is the strict profile",
    )
    default_audience: Annotated[str | None, ABSOLUTE_URI] = Field(
        default=None, description="`aud` when no `resource` is asked for; the issuer when unset"
    )
    key_rotation_interval: Lifetime = Field(default=30 * DAY, description="how long a key signs")
    jwks_max_age: Annotated[int, _seconds(1, DAY)] = Field(
        default=300, description="how long a verifier may cache the JWKS"
    )
    password_grant: Literal["off", "allowlisted"] = Field(
        default="allowlisted",
        description="`allowlisted`: only clients registered with the grant; "
        "also switches `/api/v1/auth/login`",
    )
    log_format: Literal["json", "console"] = Field(
        default_factory=lambda earlier: "console" if _in_development(earlier) else "json",
        description="how a log line is written",
    )
    trusted_proxies: Annotated[int, _whole("a whole number", 0, 10)] = Field(
        default=0, description="number of proxies whose forwarding headers are believed"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 -- callers name it
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **_others: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the constructor is given and nothing else: only `load` meets the environment."""
        return (init_settings,)

    @field_validator("*", mode="before")
    @classmethod
    def _obey_rule(cls, value: object, info: ValidationInfo) -> object:
        rule = _rule_of(cls.model_fields[str(info.field_name)])
        if rule is None or value is None:
            return value
        try:
            return rule.check(str(value))
        except (ValueError, OSError):
            raise ValueError(f"expected {rule.expected}") from None

    @field_validator("issuer")
    @classmethod
    def _keep_http_on_loopback(cls, issuer: str | None, info: ValidationInfo) -> str | None:
        if issuer is None or issuer.startswith("https:"):
            return issuer
        if not _in_development(info.data) or not _is_loopback(urlsplit(issuer).hostname or ""):
            raise ValueError(f"expected {ISSUER.expected}")
        return issuer

    @property
    def audience(self) -> str:
        return self.default_audience or self.require_issuer()

    @property
    def sqlalchemy_url(self) -> str:
        """The database URL with an absolute path, odd characters quoted. Holds the password."""
        if not self.database_url.startswith("sqlite:"):
            return self.database_url
        return f"sqlite:///{quote(str(Path(_sqlite_file(self.database_url)).absolute()))}"

    def require_issuer(self) -> str:
        """The issuer, for commands that cannot do without."""
        if self.issuer is None:
            raise SettingsError(variable("issuer"), expected("issuer"))
        return self.issuer

    def anchored_environment(self) -> dict[str, str]:
        """The environment of this process with every relative path made absolute, for a process
        that works in another directory.
        """
        anchored = {**os.environ, variable("database_url"): self.sqlalchemy_url}  # noqa: TID251
        anchored[variable("keys_dir")] = str(self.keys_dir.absolute())
        if self.keys_passphrase_file is not None:
            file = self.keys_passphrase_file.absolute()
            anchored[variable("keys_passphrase_file")] = str(file)
        return anchored

    def keys_passphrase(self) -> bytes | None:
        """Read anew at every call: the settings do not hold it."""
        if self.keys_passphrase_file is None:
            return None
        try:
            return _read_secret(self.keys_passphrase_file)
        except (ValueError, OSError):
            name = "keys_passphrase_file"
            raise SettingsError(variable(name), expected(name)) from None


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Make the settings from `environ`, by default that of the process, or raise SettingsError.

    An empty value means unset, for every variable.
    """
    found = os.environ if environ is None else environ  # noqa: TID251 -- the one place that may
    ours = {name: found[name] for name in found if name.startswith(PREFIX)}
    given = {name: ours[name] for name in ours if not name.startswith(TEST_PREFIX)}
    _refuse_unknown(given)
    try:
        return Settings.model_validate({name: given[name] for name in given if given[name]})
    except ValidationError as refused:
        first = refused.errors(include_url=False, include_context=False, include_input=False)[0]
    wrong = str(first["loc"][0])
    raise SettingsError(wrong, expected(wrong.removeprefix(PREFIX).lower()))


def _refuse_unknown(given: Mapping[str, str]) -> None:
    known = [name.upper() for name in Settings.model_fields]
    for name in sorted(given):
        own_part = name.removeprefix(PREFIX)
        if own_part not in known:
            near = difflib.get_close_matches(own_part.upper(), known, n=1)
            advice = f"perhaps {PREFIX}{near[0]}" if near else "see docs/settings.md"
            raise SettingsError(ascii(name)[1:-1], f"a known setting, {advice}")


def from_environment_or_exit() -> Settings:
    """Settings for a process that starts; a wrong one ends it with its line and status 2."""
    try:
        return load()
    except SettingsError as refused:
        sys.stderr.write(f"{refused}\n")
    sys.exit(2)
