"""People who sign in, managed from the command line."""

from app.features.users.commands import user
from app.protocol.feature import Feature

FEATURE = Feature(name="users", commands=(user,))
