"""The password grant, for clients that were registered with it."""

from app.features.password.grant import Password
from app.protocol.feature import Feature, Metadata
from app.services.runtime import Runtime


def metadata(run: Runtime) -> Metadata:
    """Announced only while some client may use it (RFC 8414: only what is switched on)."""
    if run.settings.password_grant == "off":  # noqa: S105  # a setting
        return {}
    used = any(
        Password.GRANT_TYPE in client.grants and not client.disabled
        for client in run.registry.everybody(run.now())
    )
    return {"grant_types_supported": [Password.GRANT_TYPE] if used else []}


FEATURE = Feature(name="password", grants=(Password,), metadata=metadata)
