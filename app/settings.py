"""Every setting: one frozen value, read from the environment once.

A setting is one field of `Settings`. Its variable is the field's name in capitals after
`PERENNIAL_`, its rule one of `app.setting_rules`. No refusal repeats the value: it may be a secret.
"""

import difflib
import os
import sys
from collections.abc import Callable, Mapping
from enum import EnumMeta
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args
from urllib.parse import quote, urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.core.keyring import Algorithm
from app.setting_rules import (
    ABSOLUTE_URI,
    DATABASE_URL,
    ISSUER,
    KEK_FILE,
    KEYS_DIR,
    REDIS_URL,
    SECRET_FILE,
    WEBHOOK_SECRET_FILE,
    WEBHOOK_URL,
    Rule,
    is_loopback,
    key_encryption_keys,
    read_secret,
    seconds,
    sqlite_file,
    webhook_secret,
    whole,
)

PREFIX = "PERENNIAL_"
TEST_PREFIX = "PERENNIAL_TEST_"  # belongs to the test-suite, never a setting
DEVELOPMENT_ISSUER = "http://127.0.0.1:8000"
TEN_YEARS = 3650 * 24 * 3600
DAY = 24 * 3600


class SettingsError(Exception):
    """One line that names a variable and what it expected, without the value that was given."""

    def __init__(self, variable: str, expectation: str) -> None:
        super().__init__(f"{variable}: expected {expectation}")


Lifetime = Annotated[int, seconds(1, TEN_YEARS)]


def variable(name: str) -> str:
    """The environment variable of a field."""
    return PREFIX + name.upper()


def expected(name: str) -> str:
    """What a field's value has to be, in words."""
    field = Settings.model_fields[name]
    rule = _rule_of(field)
    return rule.expected if rule else " or ".join(_choices(field.annotation))


def _choices(kind: object) -> list[str]:
    listed = list(kind) if isinstance(kind, EnumMeta) else get_args(kind)
    return [str(choice) for choice in listed]


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
    keystore: Literal["directory", "database"] = Field(
        default="directory",
        description="where private signing keys are kept: files in the key directory, "
        "or the database, sealed (for several hosts)",
    )
    kek_file: Annotated[Path | None, KEK_FILE] = Field(
        default=None,
        validate_default=True,
        description="holds the key-encryption keys that seal signing keys in the database, the one "
        "to use first; needed with `PERENNIAL_KEYSTORE=database`",
    )
    signing_alg: Algorithm = Field(
        default=Algorithm.RS256, description="what new keys sign access tokens with"
    )
    access_token_ttl: Lifetime = Field(default=900, description="lifetime of an access token")
    refresh_idle_ttl: Lifetime = Field(
        default=30 * DAY, description="a session ends after so long without a refresh"
    )
    session_ttl: Lifetime = Field(
        default=90 * DAY,
        description="absolute lifetime of sessions created at `/oauth/token` or in body mode",
    )
    browser_session_ttl: Lifetime = Field(
        default=DAY // 2,
        description="absolute lifetime of cookie-mode sessions and of the browser sign-in session, "
        'without "remember me"',
    )
    remember_me_ttl: Lifetime = Field(default=90 * DAY, description='the same, with "remember me"')
    max_sessions: Annotated[int, whole("a whole number", 0, 10_000)] = Field(
        default=0,
        description="live sessions per user and client, beyond which the oldest ends; "
        "`0` is no limit",
    )
    reuse_grace: Annotated[int, seconds(0, 300)] = Field(
        default=60,
        description="how long a refresh token whose answer was lost is accepted again; "
        "`0` is the strict profile",
    )
    default_audience: Annotated[str | None, ABSOLUTE_URI] = Field(
        default=None, description="`aud` when no `resource` is asked for; the issuer when unset"
    )
    key_rotation_interval: Lifetime = Field(default=30 * DAY, description="how long a key signs")
    jwks_max_age: Annotated[int, seconds(1, DAY)] = Field(
        default=300, description="how long a verifier may cache the JWKS"
    )
    status_ttl: Annotated[int, seconds(1, DAY)] = Field(
        default=60,
        description="how long a verifier may cache a status list; never longer than an access "
        "token lives",
    )
    password_grant: Literal["off", "allowlisted"] = Field(
        default="allowlisted",
        description="`allowlisted`: only clients registered with the grant; "
        "also switches `/api/v1/auth/login`",
    )
    require_par: Literal["off", "on"] = Field(
        default="off",
        description="`on`: every client has to push its authorization requests (RFC 9126)",
    )
    sessions_end_with_browser: Literal["off", "on"] = Field(
        default="off",
        description="`on`: sessions that began in a browser end when the person signs out there, "
        "and no later than that sign-in",
    )
    webhook_url: Annotated[str | None, WEBHOOK_URL] = Field(
        default=None, repr=False, description="where alerts are sent (`session.reuse_detected`)"
    )
    webhook_secret_file: Annotated[Path | None, WEBHOOK_SECRET_FILE] = Field(
        default=None,
        validate_default=True,
        description="holds the key that alerts are signed with; needed with `PERENNIAL_WEBHOOK_URL`",
    )
    log_format: Literal["json", "console"] = Field(
        default_factory=lambda earlier: "console" if _in_development(earlier) else "json",
        description="how a log line is written",
    )
    trusted_proxies: Annotated[int, whole("a whole number", 0, 10)] = Field(
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
        if not _in_development(info.data) or not is_loopback(urlsplit(issuer).hostname or ""):
            raise ValueError(f"expected {ISSUER.expected}")
        return issuer

    @field_validator("webhook_secret_file")
    @classmethod
    def _sign_every_alert(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is None and info.data.get("webhook_url") is not None:
            raise ValueError(f"expected {WEBHOOK_SECRET_FILE.expected}")
        return file

    @field_validator("kek_file")
    @classmethod
    def _seal_every_key(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is None and info.data.get("keystore") == "database":
            raise ValueError(f"expected {KEK_FILE.expected}")
        return file

    @property
    def audience(self) -> str:
        return self.default_audience or self.require_issuer()

    @property
    def sqlalchemy_url(self) -> str:
        """The database URL with an absolute path, odd characters quoted. Holds the password."""
        if not self.database_url.startswith("sqlite:"):
            return self.database_url
        return f"sqlite:///{quote(str(Path(sqlite_file(self.database_url)).absolute()))}"

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
        for name in ("keys_passphrase_file", "kek_file", "webhook_secret_file"):
            file = getattr(self, name)
            if file is not None:
                anchored[variable(name)] = str(file.absolute())
        return anchored

    def webhook_secret(self) -> bytes:
        assert self.webhook_secret_file is not None, "demanded with the webhook's URL"
        return _read("webhook_secret_file", self.webhook_secret_file, webhook_secret)

    def keys_passphrase(self) -> bytes | None:
        if self.keys_passphrase_file is None:
            return None
        return _read("keys_passphrase_file", self.keys_passphrase_file, read_secret)

    def key_encryption_keys(self) -> list[bytes]:
        assert self.kek_file is not None, "demanded with the database keystore"
        return _read("kek_file", self.kek_file, key_encryption_keys)


Content = TypeVar("Content")


def _read(name: str, file: Path, parse: Callable[[Path], Content]) -> Content:
    """Anew at every call: the settings do not hold secrets."""
    try:
        return parse(file)
    except (ValueError, OSError):
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
    wrong = str(first["loc"][0]).removeprefix(PREFIX).lower()
    raise SettingsError(variable(wrong), expected(wrong))


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
