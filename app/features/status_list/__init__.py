"""Token Status Lists: which sessions have ended, for verifiers that never ask about a token."""

from app.features.status_list.endpoint import blueprint
from app.features.status_list.jobs import DROP
from app.protocol.feature import Feature

FEATURE = Feature(name="status_list", blueprints=(blueprint,), jobs=(DROP,))
