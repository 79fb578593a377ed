"""Sends an alert to the operator's endpoint."""

import urllib.error
import urllib.request
from http.client import HTTPException

from app.core import alerts
from app.core.alerts import Alert

SECONDS = 5
"""How long an endpoint may take to connect, and again to answer."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An alert goes where the operator said, and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


def send(url: str, secret: bytes, alert: Alert, now: int) -> str | None:
    """POST it once. None when the endpoint answered 2xx, else why it did not."""
    headers = alerts.headers(alert, secret, now)
    request = urllib.request.Request(  # noqa: S310  # the settings allow http and https only
        url, alert.body.encode(), headers, method="POST"
    )
    try:
        with _OPENER.open(request, timeout=SECONDS):
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return f"status {error.code}"
    except urllib.error.URLError as error:
        return f"{type(error.reason).__name__}: {error.reason}"
    except (OSError, HTTPException) as error:
        return f"{type(error).__name__}: {error}"
