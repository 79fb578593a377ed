"""What the server can do, one folder each. A feature is installed by its line here."""

from app.features import (
    about,
    client_credentials,
    clients,
    health,
    introspection,
    password,
    recovery,
    refresh,
    revocation,
    sessions,
    signing_keys,
    users,
)
from app.protocol.feature import Feature

INSTALLED: tuple[Feature, ...] = (
    refresh.FEATURE,
    password.FEATURE,
    client_credentials.FEATURE,
    revocation.FEATURE,
    introspection.FEATURE,
    signing_keys.FEATURE,
    sessions.FEATURE,
    users.FEATURE,
    clients.FEATURE,
    recovery.FEATURE,
    health.FEATURE,
    about.FEATURE,
)
