"""POST /oauth/revoke (RFC 7009), HTTP side."""

from typing import Any

from authlib.oauth2.rfc7009 import RevocationEndpoint

from app.features.revocation import use_case
from app.features.revocation.use_case import Revocable
from app.protocol.server import StrictRequest
from app.services.runtime import runtime

PATH = "/oauth/revoke"


class Revocation(RevocationEndpoint):
    """Authlib's course of events: authenticate the client, find the token, check whose it is,
    revoke it, 200. An unknown token is 200 as well (§2.2).
    """

    def check_params(self, request: StrictRequest, client: Any) -> None:  # noqa: ANN401, ARG002
        """Authlib refuses a hint it does not know; §2.2 says that no hint is an error."""
        request.strict.required("token")

    def query_token(self, token_string: str, token_type_hint: str | None) -> Revocable | None:  # noqa: ARG002
        return use_case.find(runtime(), token_string)

    def revoke_token(self, token: Revocable, request: StrictRequest) -> None:  # noqa: ARG002
        run = runtime()
        run.telemetry.publish(use_case.revoke(run, token))
