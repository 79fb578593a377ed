"""Bringing back what a fail-over or a restore has lost."""

from app.protocol.feature import Feature

# Its one command belongs to `perennial db`, which is no feature's.
FEATURE = Feature(name="recovery")
