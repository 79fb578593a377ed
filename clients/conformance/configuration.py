"""What one server is like. Every member has the name that scenarios and the control API use."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import get_args


class Mode(StrEnum):
    """What becomes of a refresh token once it has been used."""

    STRICT = "strict"  # any second use ends the family
    WINDOW = "window"  # the same successor again for `window` seconds
    SUCCESSOR = "successor"  # that, and at any time with the same Idempotency-Key
    FIXED = "fixed"  # nothing: the token stays


@dataclass(frozen=True, slots=True)
class Configuration:
    """Durations are seconds, and fractions are welcome."""

    mode: Mode = Mode.SUCCESSOR
    window: float = 10.0
    access: float = 300.0
    idle: float | None = 86_400.0
    absolute: float | None = 2_592_000.0
    # "lifetime" is the truth, "omitted" leaves it out, a number is said whatever the truth is.
    expires_in: float | str = "lifetime"
    jwt: bool = False  # access tokens that look like a JWT and carry `exp`
    hints: bool = True  # refresh_token_timeout and authorization_expires_in
    reasons: bool = True  # the member `reason` beside invalid_grant
    date_skew: float = 0.0  # how far the Date header is ahead of the clock
    device_polls: int = 1  # how often a device is told authorization_pending

    @classmethod
    def of(cls, members: Mapping[str, object]) -> "Configuration":
        """`ValueError` names what is unknown or has the wrong type."""
        return cls().changed(members)

    def changed(self, members: Mapping[str, object]) -> "Configuration":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        unknown = members.keys() - values.keys()
        if unknown:
            raise ValueError(f"no such setting: {', '.join(sorted(unknown))}")
        return Configuration(**{**values, **{k: _value(k, v) for k, v in members.items()}})


def _value(name: str, value: object) -> object:
    if name == "mode":
        return Mode(str(value))
    kinds = get_args(Configuration.__annotations__[name]) or (Configuration.__annotations__[name],)
    if isinstance(value, bool) != (bool in kinds):
        raise ValueError(f"{name} cannot be {value!r}")
    if isinstance(value, int) and float in kinds:
        value = float(value)
    if not isinstance(value, kinds) or (isinstance(value, str) and value not in _WORDS):
        raise ValueError(f"{name} cannot be {value!r}")
    return value


_WORDS = ("lifetime", "omitted")
