"""Alerts to a webhook: what is said, how it is signed, when it is tried again.

Form and signature are those of Standard Webhooks, so that its libraries verify them.
"""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass

MINUTE = 60_000
HOUR = 60 * MINUTE
PAUSES = (5_000, 30_000, 2 * MINUTE, 10 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR)
"""Milliseconds after each failed attempt; after the attempt behind the last one it is given up."""


@dataclass(frozen=True, slots=True)
class Alert:
    """`attempts` have failed so far."""

    id: str
    body: str
    attempts: int = 0


def message(kind: str, at: str, data: Mapping[str, object]) -> str:
    """The body; `at` is ISO 8601."""
    return json.dumps({"type": kind, "timestamp": at, "data": dict(data)}, separators=(",", ":"))


def headers(alert: Alert, secret: bytes, now: int) -> dict[str, str]:
    """The signature covers the id, the second of sending and the body; `now` is in milliseconds."""
    second = str(now // 1000)
    signed = f"{alert.id}.{second}.{alert.body}".encode()
    signature = base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
    return {
        "webhook-id": alert.id,
        "webhook-timestamp": second,
        "webhook-signature": f"v1,{signature}",
        "content-type": "application/json",
    }


def next_attempt(alert: Alert, now: int) -> int | None:
    """When to try again after one more failure, UTC milliseconds; None to give up."""
    if alert.attempts >= len(PAUSES):
        return None
    return now + PAUSES[alert.attempts]
