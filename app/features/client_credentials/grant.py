"""`grant_type=client_credentials` (RFC 6749 §4.4): a client acting for itself."""

from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant

from app.core.clients import Client
from app.core.events import ClientTokenIssued
from app.core.outcomes import ErrorCode, Issued, Outcome, Refused
from app.protocol import issuance
from app.protocol.forms import Form
from app.protocol.grant import TokenGrant
from app.protocol.requested import coverage
from app.services.runtime import Runtime


class ClientCredentials(TokenGrant, ClientCredentialsGrant):
    GRANT_TYPE = "client_credentials"

    def exchange(self, run: Runtime, client: Client, form: Form) -> Outcome:
        """No refresh token (§4.4.3), no session: nothing is written."""
        if client.public:
            return Refused(error=ErrorCode.UNAUTHORIZED_CLIENT)
        covered = coverage(run, client, form.values.get("scope"), form.resources)
        if isinstance(covered, Refused):
            return covered
        access = issuance.for_client(
            run, client.client_id, covered.scope, covered.resources, run.now()
        )
        return Issued(
            access_token=access.text,
            expires_in=access.expires_in,
            scope=covered.scope,
            events=(ClientTokenIssued(client.client_id),),
        )
