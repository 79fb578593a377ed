"""`grant_type=password` (RFC 6749 §4.3), HTTP side. RFC 9700 §2.4 forbids the grant; it is here
for first-party clients that an operator registered with it, and can be switched off.
"""

from authlib.oauth2.rfc6749 import UnsupportedGrantTypeError
from authlib.oauth2.rfc6749.grants import ResourceOwnerPasswordCredentialsGrant

from app.core.clients import Client
from app.core.outcomes import Outcome
from app.protocol.forms import Form
from app.protocol.grant import TokenGrant, device
from app.protocol.password_sign_in import GRANT, Attempt, sign_in_with_password
from app.services.runtime import Runtime, runtime
from app.store import users


class Password(TokenGrant, ResourceOwnerPasswordCredentialsGrant):
    GRANT_TYPE = GRANT

    def validate_token_request(self) -> None:
        if runtime().settings.password_grant == "off":  # noqa: S105  # a setting
            raise UnsupportedGrantTypeError(GRANT)
        super().validate_token_request()

    def exchange(self, run: Runtime, client: Client, form: Form) -> Outcome:
        attempt = Attempt(
            username=users.normal(form.required("username")),
            password=form.required("password"),
            scope=form.values.get("scope"),
            resources=form.resources,
            device=device(),
        )
        return sign_in_with_password(run, client, attempt)
