"""POST /oauth/introspect (RFC 7662), HTTP side."""

from typing import Any

from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from app.core.clients import Client
from app.core.events import ClientRefused
from app.core.outcomes import ErrorCode, Refused
from app.features.introspection import use_case
from app.features.introspection.use_case import Described
from app.protocol.responses import NO_STORE, Answer, RefusedError
from app.protocol.server import StrictRequest
from app.services.runtime import runtime

PATH = "/oauth/introspect"


class Introspection(IntrospectionEndpoint):
    """Authlib's course of events; whatever the caller may not see is `{"active": false}` (§2.2)."""

    def authenticate_endpoint_client(self, request: StrictRequest) -> Client:
        """Only for clients that can prove who they are (§2.1)."""
        client: Client = super().authenticate_endpoint_client(request)
        if client.public:
            event = ClientRefused(client=client.client_id, why="public_client")
            raise RefusedError(Refused(error=ErrorCode.INVALID_CLIENT, events=(event,)))
        return client

    def authenticate_token(self, request: StrictRequest, client: Client) -> Described | None:
        """Authlib refuses a hint it does not know; §2.1 lets a server ignore it."""
        token = use_case.describe(runtime(), client, request.strict.required("token"))
        return token if token is not None and token.visible else None

    def create_endpoint_response(self, request: StrictRequest) -> Answer:
        status, body, _ = super().create_endpoint_response(request)
        return status, body, list(NO_STORE)

    def introspect_token(self, token: Described) -> dict[str, Any]:
        return {"active": True, **token.members}
