"""Delivering what was queued: at least once, in order of age, never for longer than two days."""

from app.core import alerts
from app.core.alerts import Alert
from app.core.events import AlertAbandoned, AlertDelivered, AlertPostponed, Event
from app.core.sessions import SECOND
from app.services import webhook
from app.services.jobs import Job
from app.services.runtime import Runtime
from app.store import alerts as rows

BATCH = 20


def deliver(run: Runtime) -> None:
    """Send what is due, one after the other. What happened is on record before the next is sent."""
    url = run.settings.webhook_url
    assert url is not None, "wanted only with a webhook"
    secret = run.settings.webhook_secret()
    with run.rotations.connect() as connection:
        due = rows.due(connection, run.now(), BATCH)
    for alert in due:
        why = webhook.send(url, secret, alert, run.now())
        run.telemetry.publish([_noted(run, alert, why)])


def _noted(run: Runtime, alert: Alert, why: str | None) -> Event:
    now = run.now()
    again = None if why is None else alerts.next_attempt(alert, now)
    with run.transactions.begin() as connection:
        if again is None:
            rows.forget(connection, alert)
        else:
            rows.postpone(connection, alert, again)
    attempt = alert.attempts + 1
    if why is None:
        return AlertDelivered(alert.id, attempt)
    if again is None:
        return AlertAbandoned(alert.id, attempt, why)
    return AlertPostponed(alert.id, attempt, why, (again - now) // SECOND)


def _wanted(run: Runtime) -> bool:
    return run.settings.webhook_url is not None


DELIVER = Job("deliver_alerts", every=SECOND, work=deliver, wanted=_wanted)
