"""Alerts to the operator's webhook, delivered in the background."""

from app.features.alerts.jobs import DELIVER
from app.protocol.feature import Feature

FEATURE = Feature(name="alerts", jobs=(DELIVER,))
