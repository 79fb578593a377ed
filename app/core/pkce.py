"""Proof key for code exchange (RFC 7636): S256 and nothing else."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode

METHOD = "S256"
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def is_verifier(text: str) -> bool:
    return _VERIFIER.fullmatch(text) is not None


def is_challenge(text: str) -> bool:
    """Whether it can be an S256 challenge: the 43 characters of a SHA-256 in base64url."""
    return _CHALLENGE.fullmatch(text) is not None


def challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def proves(verifier: str, of: str) -> bool:
    """Whether the verifier is the one that the challenge was made of."""
    return is_verifier(verifier) and hmac.compare_digest(challenge(verifier), of)
