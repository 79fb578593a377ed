"""Sessions, looked at and ended from the command line; interrupted endings are finished."""

from app.features.sessions.commands import session
from app.features.sessions.jobs import FINISH
from app.protocol.feature import Feature

FEATURE = Feature(name="sessions", commands=(session,), jobs=(FINISH,))
