"""Telling the operator at once: an alert queued in the transaction that makes it true."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection

from app.core.alerts import Alert, message
from app.services.runtime import Runtime
from app.store import alerts


def queue(
    connection: Connection, run: Runtime, kind: str, now: int, data: Mapping[str, object]
) -> None:
    """Nothing happens where no webhook is set. `data` has no secret in it."""
    if run.settings.webhook_url is None:
        return
    at = datetime.fromtimestamp(now // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = message(kind, at, {"issuer": run.settings.issuer, **data})
    alerts.queue(connection, Alert(f"msg_{secrets.token_hex(16)}", body), now)
