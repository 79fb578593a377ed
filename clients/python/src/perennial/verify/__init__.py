"""Verify access tokens in a resource server: `Verifier`, or `AsyncVerifier` under asyncio."""

from perennial.messages import Request, Response, Transport, TransportError
from perennial.transport import UrllibTransport
from perennial.verify.access_token import AccessToken
from perennial.verify.errors import (
    InsufficientScope,
    InvalidToken,
    Reason,
    Unavailable,
    VerifyError,
)
from perennial.verify.introspection import Introspection
from perennial.verify.verifier import AsyncVerifier, Verifier

__all__ = [
    "AccessToken",
    "AsyncVerifier",
    "InsufficientScope",
    "Introspection",
    "InvalidToken",
    "Reason",
    "Request",
    "Response",
    "Transport",
    "TransportError",
    "Unavailable",
    "UrllibTransport",
    "Verifier",
    "VerifyError",
]
