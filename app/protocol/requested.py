"""What a new grant may cover: scope and resources within the client's registration."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core import resources, scopes
from app.core.clients import Client
from app.core.outcomes import ErrorCode, Refused
from app.services.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Coverage:
    scope: str
    resources: tuple[str, ...]


def coverage(
    run: Runtime, client: Client, scope: str | None, wanted: Sequence[str]
) -> Coverage | Refused:
    """The client's registered scope when none is asked for; never more than that (RFC 6749 §3.3).

    Every resource must be one that a resource server registered (RFC 8707 §2).
    """
    granted = scopes.narrow(scope, client.scope)
    if granted is None:
        return Refused(error=ErrorCode.INVALID_SCOPE)
    now = run.now()
    for uri in wanted:
        if not resources.is_absolute_uri(uri) or not run.registry.is_resource(uri, now):
            return Refused(error=ErrorCode.INVALID_TARGET)
    return Coverage(granted, tuple(dict.fromkeys(wanted)))
