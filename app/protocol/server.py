"""The Authlib server: mounts the features, serves POST /oauth/token and the token endpoints."""

from collections.abc import Iterable, Mapping
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Error, OAuth2Payload, OAuth2Request
from flask import Blueprint, Request, Response

from app.core.clients import Client
from app.core.events import RequestRefused
from app.core.outcomes import ErrorCode, Refused
from app.protocol import clients, forms, responses
from app.protocol.feature import Feature
from app.protocol.forms import Form, MalformedError
from app.protocol.grant import address, current_request
from app.protocol.responses import RefusedError
from app.services.runtime import runtime

TOKEN_PATH = "/oauth/token"  # noqa: S105  # a path


class StrictPayload(OAuth2Payload):
    """The parameters where Authlib looks for them."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    @property
    def data(self) -> Mapping[str, str]:
        return self._values


class StrictRequest(OAuth2Request):
    """A request for Authlib that knows the strict form only: no query, nothing twice.

    Transport security is settled by the issuer's setting, not guessed from the Host header.
    """

    def __init__(self, request: Request, form: Form) -> None:
        super().__init__(request.method, "https://localhost", headers=request.headers)
        self.strict = form
        self.payload = StrictPayload(form.values)

    @property
    def form(self) -> Any:  # noqa: ANN401  # Authlib's signature
        return self.strict.values


class Server(AuthorizationServer):
    def create_oauth2_request(self, request: StrictRequest | None) -> StrictRequest:
        assert request is not None
        return request

    def authenticate_client(self, request: Any, methods: Any, endpoint: str = "token") -> Client:  # noqa: ANN401, ARG002
        """One way for every endpoint: the client's own registered method (RFC 6749 §2.3)."""
        return clients.authenticate(runtime(), request.headers, request.strict, address())

    def get_token_grant(self, request: StrictRequest) -> Any:  # noqa: ANN401
        request.strict.required("grant_type")
        return super().get_token_grant(request)

    def save_token(self, token: object, request: object) -> None:
        """Nothing is saved: access tokens are signed, refresh tokens derived."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Events are published by the grants; Authlib's signals have no listeners."""

    def handle_response(self, status: int, body: Any, headers: Any) -> Response:  # noqa: ANN401
        return responses.response((status, body, headers))

    def handle_error_response(self, _: object, error: OAuth2Error) -> Response:
        refused = _refused(error)
        run = runtime()
        run.telemetry.publish(refused.events)
        return responses.response(responses.refusal(refused, run.settings.require_issuer()))


def _refused(error: OAuth2Error) -> Refused:
    """An Authlib error as a refusal of ours: same code, our wording, no echo of the input."""
    if isinstance(error, RefusedError):
        return error.refused
    code = ErrorCode(error.error)
    why = error.why if isinstance(error, MalformedError) else code.value
    return Refused(error=code, events=(RequestRefused(error=code.value, why=why),))


def mount(features: Iterable[Feature]) -> Blueprint:
    """A blueprint that serves the grants and token endpoints of all features."""
    server = Server()
    blueprint = Blueprint("oauth", __name__)

    def token() -> Response:
        return _strictly(server, server.create_token_response)

    blueprint.add_url_rule(TOKEN_PATH, view_func=token, methods=["POST"])
    for feature in features:
        for grant in feature.grants:
            server.register_grant(grant)
        for path, endpoint in (feature.endpoints or {}).items():
            server.register_endpoint(endpoint)
            view = _endpoint_view(server, endpoint.ENDPOINT_NAME)
            blueprint.add_url_rule(path, endpoint.ENDPOINT_NAME, view, methods=["POST"])
    return blueprint


def _endpoint_view(server: Server, name: str) -> Any:  # noqa: ANN401  # a Flask view
    def view() -> Response:
        def answer(request: StrictRequest) -> Response:
            answered = server.create_endpoint_response(name, request)
            assert isinstance(answered, Response)
            return answered

        return _strictly(server, answer)

    return view


def _strictly(server: Server, serve: Any) -> Response:  # noqa: ANN401  # Authlib's bound methods
    """Parse first: a rule never sees a request whose syntax is in doubt."""
    request = current_request()
    try:
        answered = serve(StrictRequest(request, forms.read(request)))
    except OAuth2Error as error:
        return server.handle_error_response(None, error)
    assert isinstance(answered, Response)
    return answered
