"""Refreshing a session: the heart of the server."""

from app.features.refresh.grant import Refresh
from app.protocol.feature import Feature

FEATURE = Feature(
    name="refresh",
    grants=(Refresh,),
    metadata=lambda _: {
        "grant_types_supported": [Refresh.GRANT_TYPE],
        "refresh_token_expiration_types_supported": ["authorization", "token_timeout"],
    },
)
