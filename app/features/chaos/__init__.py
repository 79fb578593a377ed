"""Faults to order and a clock to move, for authors of client libraries: in development only."""

from app.features.chaos.endpoint import blueprint
from app.protocol.feature import Feature

FEATURE = Feature(name="chaos", blueprints=(blueprint,))
