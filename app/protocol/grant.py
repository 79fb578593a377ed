"""What every token grant does around its own exchange: authenticate, exchange, publish, render."""

from flask import Request
from flask import request as http

from app.core.clients import Client
from app.core.devices import Device, described
from app.core.outcomes import ErrorCode, Outcome, Refused
from app.protocol.forms import Form
from app.protocol.responses import Answer, RefusedError, render
from app.services.runtime import Runtime, runtime


class TokenGrant:
    """Mixed in before an Authlib grant class.

    Authlib's own order (issue, save, then revoke the old) is a race, and its checks run between
    reads and writes; so a grant here authenticates the client and then leaves everything to one
    use case, whose outcome is a value. Refusals that had to be written are committed by then.
    """

    GRANT_TYPE: str

    def validate_token_request(self) -> None:
        client = self.server.authenticate_client(self.request, [], "token")  # type: ignore[attr-defined]
        if self.GRANT_TYPE not in client.grants:
            raise RefusedError(Refused(error=ErrorCode.UNAUTHORIZED_CLIENT))
        self.request.client = client  # type: ignore[attr-defined]

    def create_token_response(self) -> Answer:
        run = runtime()
        outcome = self.exchange(run, self.request.client, self.request.strict)  # type: ignore[attr-defined]
        run.telemetry.publish(outcome.events)
        return render(outcome, run.settings.require_issuer())

    def exchange(self, run: Runtime, client: Client, form: Form) -> Outcome:
        """The grant's use case."""
        raise NotImplementedError


def current_request() -> Request:
    """The request itself: every look through Flask's proxy would find it anew."""
    found: Request = http._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    return found


def device() -> Device:
    return described(user_agent=http.headers.get("User-Agent", ""), address=address())


def address() -> str:
    """Where the request came from, as far as the trusted proxies tell."""
    return http.remote_addr or ""
