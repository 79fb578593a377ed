"""Sessions, looked at and ended from the command line."""

from app.features.sessions.commands import session
from app.protocol.feature import Feature

FEATURE = Feature(name="sessions", commands=(session,))
