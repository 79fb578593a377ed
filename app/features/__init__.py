"""What the server can do, one folder each. A feature is installed by its line here."""

from app.features import (
    about,
    alerts,
    authorization_code,
    client_credentials,
    clients,
    device,
    explain,
    health,
    introspection,
    password,
    pushed_requests,
    recovery,
    refresh,
    revocation,
    secrets,
    session_api,
    sessions,
    signing_keys,
    status_list,
    users,
)
from app.protocol.feature import Feature

INSTALLED: tuple[Feature, ...] = (
    refresh.FEATURE,
    password.FEATURE,
    authorization_code.FEATURE,
    pushed_requests.FEATURE,
    device.FEATURE,
    client_credentials.FEATURE,
    revocation.FEATURE,
    introspection.FEATURE,
    signing_keys.FEATURE,
    status_list.FEATURE,
    secrets.FEATURE,
    sessions.FEATURE,
    session_api.FEATURE,
    explain.FEATURE,
    users.FEATURE,
    clients.FEATURE,
    alerts.FEATURE,
    recovery.FEATURE,
    health.FEATURE,
    about.FEATURE,
)


def installed(env: str) -> tuple[Feature, ...]:
    """What this environment has. Tools for development are not even loaded in production."""
    if env != "development":
        return INSTALLED
    from app.features import chaos  # noqa: PLC0415  # the point of this function

    return (*INSTALLED, chaos.FEATURE)
