"""Refreshing a session: the heart of the server."""

from app.features.refresh.grant import Refresh
from app.protocol.feature import Feature, Metadata
from app.services.runtime import Runtime


def metadata(run: Runtime) -> Metadata:
    found = {
        "grant_types_supported": [Refresh.GRANT_TYPE],
        "refresh_token_expiration_types_supported": ["authorization", "token_timeout"],
    }
    if run.settings.reuse_grace:
        return {**found, "refresh_token_replay_supported": True}
    return found


FEATURE = Feature(
    name="refresh",
    grants=(Refresh,),
    metadata=metadata,
)
