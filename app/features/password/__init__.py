"""The password grant, for clients that were registered with it."""

from app.features.password.grant import Password
from app.protocol.feature import Feature, Metadata
from app.services.runtime import Runtime
from app.store import clients


def metadata(run: Runtime) -> Metadata:
    """Announced only while some client may use it (RFC 8414: only what is switched on)."""
    if run.settings.password_grant == "off":  # noqa: S105  # a setting
        return {}
    with run.rotations.connect() as connection:
        used = clients.granted_to_somebody(connection, Password.GRANT_TYPE)
    return {"grant_types_supported": [Password.GRANT_TYPE] if used else []}


FEATURE = Feature(name="password", grants=(Password,), metadata=metadata)
