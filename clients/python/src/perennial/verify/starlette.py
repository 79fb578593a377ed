"""For Starlette and FastAPI: `protect(verifier, scope="…")` is a dependency, or awaited in a view."""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request

from perennial.verify import challenge
from perennial.verify.access_token import AccessToken
from perennial.verify.challenge import InvalidRequest, NoCredentials
from perennial.verify.errors import VerifyError
from perennial.verify.verifier import AsyncVerifier


def protect(
    verifier: AsyncVerifier, scope: str | None = None, *, sensitive: bool = False
) -> Callable[[Request], Awaitable[AccessToken]]:
    """The token of a request if it has all of `scope`; an `HTTPException` as of RFC 6750 otherwise.

    `sensitive` asks the issuer whether the token still counts; the verifier needs `introspection`.
    """
    if sensitive and not verifier.can_introspect():
        raise ValueError("a sensitive call needs introspection, which is not configured")

    async def protected(request: Request) -> AccessToken:
        try:
            token = challenge.bearer(request.headers.getlist("Authorization"))
            verified = await verifier.verify(token, scope=scope, sensitive=sensitive)
        except (VerifyError, NoCredentials, InvalidRequest) as refusal:
            answer = challenge.answer(refusal)
            detail = answer.error or None
            raise HTTPException(answer.status, detail, answer.headers) from None
        request.state.access_token = verified
        return verified

    return protected
