"""Authorization server metadata (RFC 8414), merged from what the features say of themselves."""

import json
from collections.abc import Iterable
from urllib.parse import urlsplit

from flask import Blueprint, Response

from app.core.clients import AuthMethod
from app.protocol.feature import Feature
from app.protocol.server import TOKEN_PATH
from app.services.runtime import Runtime, runtime
from app.store import clients

RFC8414 = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"


def document(run: Runtime, features: Iterable[Feature]) -> dict[str, object]:
    """Only what is switched on; lists of several features are joined, empty ones left out."""
    issuer = run.settings.require_issuer()
    with run.rotations.connect() as connection:
        scopes = clients.scopes(connection)
    merged: dict[str, object] = {
        "issuer": issuer,
        "token_endpoint": issuer + TOKEN_PATH,
        "token_endpoint_auth_methods_supported": [*AuthMethod],
        "scopes_supported": scopes,
    }
    for feature in features:
        for name, value in feature.metadata(run).items():
            earlier = merged.get(name)
            if isinstance(earlier, list) and isinstance(value, list):
                merged[name] = [*earlier, *(item for item in value if item not in earlier)]
            else:
                merged[name] = value
    return {name: value for name, value in merged.items() if value != []}


def blueprint(run: Runtime, features: tuple[Feature, ...]) -> Blueprint:
    """Serves both well-known names; with an issuer path also the form with the path inserted
    (RFC 8414 §3.1) and appended (OpenID Connect Discovery §4).
    """
    pages = Blueprint("discovery", __name__)

    def metadata() -> Response:
        current = runtime()
        max_age = current.settings.jwks_max_age
        return Response(
            json.dumps(document(current, features)),
            content_type="application/json",
            headers={"Cache-Control": f"public, max-age={max_age}"},
        )

    path = urlsplit(run.settings.issuer or "").path
    locations = {RFC8414, OPENID, RFC8414 + path, OPENID + path, path + OPENID}
    for number, location in enumerate(sorted(locations)):
        pages.add_url_rule(location, f"metadata{number}", metadata, methods=["GET"])
    return pages
