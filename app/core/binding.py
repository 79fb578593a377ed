"""Proof of possession as one value: what a session is bound to, and whether a request proved it."""

from enum import Enum, StrEnum


class Binding(StrEnum):
    """What the holder of a session must prove besides the token itself."""

    NONE = "none"
    JKT = "jkt"
    """A DPoP key (RFC 9449)."""
    X5T = "x5t"
    """A client certificate (RFC 8705)."""


class Proof(Enum):
    """What came of the proof that accompanied a request."""

    NOT_REQUIRED = "not required"
    PROVEN = "proven"
    FAILED = "failed"
