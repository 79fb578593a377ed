"""Revocation of refresh and access tokens."""

from app.core.clients import AuthMethod
from app.features.revocation.endpoint import PATH, Revocation
from app.protocol.feature import Feature

FEATURE = Feature(
    name="revocation",
    endpoints={PATH: Revocation},
    metadata=lambda run: {
        "revocation_endpoint": f"{run.settings.require_issuer()}{PATH}",
        "revocation_endpoint_auth_methods_supported": [
            AuthMethod.BASIC,
            AuthMethod.POST,
            AuthMethod.NONE,
        ],
    },
)
