"""`grant_type=authorization_code` (RFC 6749 §4.1.3), HTTP side."""

from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant

from app.core import pkce
from app.core.authorization import GRANT
from app.core.clients import Client
from app.core.outcomes import Outcome
from app.features.authorization_code.use_case import Redemption, redeem
from app.protocol.forms import Form, MalformedError
from app.protocol.grant import TokenGrant, device
from app.services.runtime import Runtime


class AuthorizationCode(TokenGrant, AuthorizationCodeGrant):
    """Authlib deletes a code after it has issued tokens, and its CodeChallenge lets a client do
    without one or use `plain`; here one statement decides who redeems, and S256 is all there is.
    """

    GRANT_TYPE = GRANT

    def exchange(self, run: Runtime, client: Client, form: Form) -> Outcome:
        verifier = form.required("code_verifier")
        if not pkce.is_verifier(verifier):
            raise MalformedError("code_verifier_syntax")
        redemption = Redemption(
            code=form.required("code"),
            redirect_uri=form.values.get("redirect_uri"),
            verifier=verifier,
            resources=form.resources,
            device=device(),
        )
        return redeem(run, client, redemption)
