"""POST /oauth/device_authorization (RFC 8628 §3.1)."""

from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint

from app.core.clients import Client
from app.features.device import use_case
from app.protocol.grant import device
from app.protocol.responses import NO_STORE, Answer
from app.protocol.server import StrictRequest
from app.services.runtime import runtime

PATH = "/oauth/device_authorization"


class DeviceAuthorization(DeviceAuthorizationEndpoint):
    """Authlib's asks nobody whether the client may use the grant, and hands over both codes in clear
    to be kept.
    """

    def create_endpoint_response(self, request: StrictRequest) -> Answer:
        client: Client = self.authenticate_client(request)
        return 200, use_case.begin(runtime(), client, request.strict, device()), list(NO_STORE)
