"""POST /oauth/par (RFC 9126)."""

from authlib.oauth2.rfc6749 import TokenEndpoint

from app.core.clients import Client
from app.features.pushed_requests import use_case
from app.protocol.responses import Answer
from app.protocol.server import StrictRequest
from app.services.runtime import runtime

PATH = "/oauth/par"
HEADERS = [("Cache-Control", "no-cache, no-store"), ("Pragma", "no-cache")]


class PushedRequests(TokenEndpoint):
    """Authlib has no such endpoint; what it knows of all endpoints is enough."""

    ENDPOINT_NAME = "pushed_authorization_request"

    def create_endpoint_response(self, request: StrictRequest) -> Answer:
        client: Client = self.authenticate_endpoint_client(request)
        request_uri = use_case.push(runtime(), client, request.strict)
        seconds = use_case.PUSHED_FOR // 1000
        return 201, {"request_uri": request_uri, "expires_in": seconds}, list(HEADERS)
