"""Machine-to-machine tokens."""

from app.features.client_credentials.grant import ClientCredentials
from app.protocol.feature import Feature

FEATURE = Feature(
    name="client_credentials",
    grants=(ClientCredentials,),
    metadata=lambda _: {"grant_types_supported": [ClientCredentials.GRANT_TYPE]},
)
