"""Introspection of refresh and access tokens."""

from app.core.clients import AuthMethod
from app.features.introspection.endpoint import PATH, Introspection
from app.protocol.feature import Feature

FEATURE = Feature(
    name="introspection",
    endpoints={PATH: Introspection},
    metadata=lambda run: {
        "introspection_endpoint": f"{run.settings.require_issuer()}{PATH}",
        "introspection_endpoint_auth_methods_supported": [AuthMethod.BASIC, AuthMethod.POST],
    },
)
