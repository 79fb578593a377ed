"""Sessions, looked at and ended from the command line; interrupted endings are finished, and what is
long over is forgotten.
"""

from app.features.sessions.commands import session
from app.features.sessions.jobs import FINISH, PURGE
from app.protocol.feature import Feature

FEATURE = Feature(name="sessions", commands=(session,), jobs=(FINISH, PURGE))
