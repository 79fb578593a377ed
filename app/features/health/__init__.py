"""Liveness and readiness."""

from app.features.health.endpoint import blueprint
from app.protocol.feature import Feature

FEATURE = Feature(name="health", blueprints=(blueprint,))
