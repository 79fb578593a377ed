"""All that a verification can come to, other than a token. None of them carries token text."""

from enum import Enum


class Reason(str, Enum):
    """Why a token is refused: for the log, not for the caller."""

    MALFORMED = "malformed"
    WRONG_TYPE = "wrong_type"
    WRONG_ALGORITHM = "wrong_algorithm"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    MISSING_CLAIM = "missing_claim"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    SENDER_CONSTRAINED = "sender_constrained"
    REVOKED = "revoked"
    BAD_STATUS_REFERENCE = "bad_status_reference"
    INACTIVE = "inactive"

    def __str__(self) -> str:
        return self.value


class VerifyError(Exception):
    """One of the three below."""


class InvalidToken(VerifyError):  # noqa: N818  # the word of RFC 6750 §3.1
    """The token is no good, and will not become good by waiting."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class InsufficientScope(VerifyError):  # noqa: N818  # the word of RFC 6750 §3.1
    """The token is good; it does not reach this far."""

    def __init__(self, required: frozenset[str]) -> None:
        super().__init__(" ".join(sorted(required)))
        self.required = required


class Unavailable(VerifyError):  # noqa: N818  # says nothing about the token
    """What is needed to decide cannot be had now: `keys`, `status_list` or `introspection`."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
