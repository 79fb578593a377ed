"""Alerts: the signature that other people's libraries verify, and when to give up."""

import base64
import json

from app.core import alerts
from app.core.alerts import HOUR, PAUSES, Alert

# The example of the documentation that Standard Webhooks grew out of.
SECRET = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
EXAMPLE = Alert("msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}')
SECOND = 1_614_265_330
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_is_the_published_example():
    headers = alerts.headers(EXAMPLE, SECRET, SECOND * 1000 + 999)
    assert headers == {
        "webhook-id": EXAMPLE.id,
        "webhook-timestamp": str(SECOND),
        "webhook-signature": SIGNATURE,
        "content-type": "application/json",
    }


def test_a_message_has_a_kind_a_time_and_data():
    body = alerts.message("session.reuse_detected", "2026-11-21T03:30:12Z", {"session": "s"})
    assert json.loads(body) == {
        "type": "session.reuse_detected",
        "timestamp": "2026-11-21T03:30:12Z",
        "data": {"session": "s"},
    }


def test_an_alert_is_tried_ever_more_rarely_and_given_up_after_two_days():
    waits, now = [], 0
    for attempts in range(len(PAUSES)):
        again = alerts.next_attempt(Alert("a", "", attempts), now)
        assert again is not None
        waits.append(again - now)
        now = again
    assert waits == sorted(waits)
    assert 46 * HOUR < now < 48 * HOUR
    assert alerts.next_attempt(Alert("a", "", len(PAUSES)), now) is None
