"""Pushed authorization requests: what a client asks for does not pass through the browser."""

from app.features.pushed_requests.endpoint import PATH, PushedRequests
from app.protocol.feature import Feature

FEATURE = Feature(
    name="pushed_requests",
    endpoints={PATH: PushedRequests},
    metadata=lambda run: {
        "pushed_authorization_request_endpoint": f"{run.settings.require_issuer()}{PATH}",
        "require_pushed_authorization_requests": run.settings.require_par == "on",
    },
)
