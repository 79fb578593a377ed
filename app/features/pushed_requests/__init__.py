"""Pushed authorization requests: what a client asks for does not pass through the browser."""

from app.features.pushed_requests.endpoint import PATH, PushedRequests
from app.protocol.feature import Feature, Metadata
from app.services.runtime import Runtime


def metadata(run: Runtime) -> Metadata:
    found = {"pushed_authorization_request_endpoint": f"{run.settings.require_issuer()}{PATH}"}
    if run.settings.require_par == "on":
        return {**found, "require_pushed_authorization_requests": True}
    return found


FEATURE = Feature(
    name="pushed_requests",
    endpoints={PATH: PushedRequests},
    metadata=metadata,
)
