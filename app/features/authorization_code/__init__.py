"""The authorization code grant with S256, for every client that was registered with it."""

from app.core.authorization import Prompt
from app.core.pkce import METHOD
from app.features.authorization_code.endpoint import blueprint
from app.features.authorization_code.grant import AuthorizationCode
from app.features.authorization_code.jobs import PURGE
from app.protocol.authorization import PATH
from app.protocol.feature import Feature, Metadata
from app.services.runtime import Runtime


def metadata(run: Runtime) -> Metadata:
    return {
        "authorization_endpoint": f"{run.settings.require_issuer()}{PATH}",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [AuthorizationCode.GRANT_TYPE],
        "code_challenge_methods_supported": [METHOD],
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": [*Prompt],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


FEATURE = Feature(
    name="authorization_code",
    grants=(AuthorizationCode,),
    blueprints=(blueprint,),
    metadata=metadata,
    jobs=(PURGE,),
)
