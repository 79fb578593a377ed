"""Sessions, looked at and ended from the command line, and forgotten when they are long over."""

from app.features.sessions.commands import session
from app.features.sessions.jobs import PURGE
from app.protocol.feature import Feature

FEATURE = Feature(name="sessions", commands=(session,), jobs=(PURGE,))
