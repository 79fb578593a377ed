"""The flow of httpx and httpx2, which differ in the names of their packages only."""

from collections.abc import AsyncGenerator, Generator, MutableMapping
from typing import Any, Generic, Protocol, TypeVar

from perennial.errors import RefreshLoopError, SessionError
from perennial.refusal import refuses
from perennial.session import Lease, Session

REPLAYED = "perennial_replayed"


class _Request(Protocol):
    @property
    def url(self) -> object: ...

    @property
    def headers(self) -> MutableMapping[str, str]: ...

    @property
    def stream(self) -> object: ...


class _Response(Protocol):
    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> MutableMapping[str, str]: ...

    @property
    def extensions(self) -> MutableMapping[str, Any]: ...

    @property
    def request(self) -> Any: ...  # noqa: ANN401  # of the same package as the response


Q = TypeVar("Q", bound=_Request)
R = TypeVar("R", bound=_Response)


class SessionFlow(Generic[Q, R]):
    """Requests carry the session's access token, where it is allowed to go. A request whose token is
    refused is sent once more with another one; its `response.extensions["perennial_replayed"]` is
    True then. It is False where that was not possible, because the body cannot be read twice or new
    tokens are refused as well: the 401 is what is returned. Any `SessionError`.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def sync_auth_flow(self, request: Q) -> Generator[Q, R, None]:
        if not self._session.allows(str(request.url)):
            yield request
            return
        lease = self._session.lease()
        response = yield _carrying(request, lease)
        if not _refused(response, lease):
            return
        try:
            renewed = self._session.renew(lease)
        except SessionError as error:
            _bear(error, response)
            return
        if _repeatable(response):
            response = yield _carrying(response.request, renewed)
            response.extensions[REPLAYED] = True

    async def async_auth_flow(self, request: Q) -> AsyncGenerator[Q, R]:
        if not self._session.allows(str(request.url)):
            yield request
            return
        lease = await self._session.alease()
        response = yield _carrying(request, lease)
        if not _refused(response, lease):
            return
        try:
            renewed = await self._session.arenew(lease)
        except SessionError as error:
            _bear(error, response)
            return
        if _repeatable(response):
            response = yield _carrying(response.request, renewed)
            response.extensions[REPLAYED] = True


def _carrying(request: Q, lease: Lease) -> Q:
    request.headers["Authorization"] = lease.authorization
    return request


def _refused(response: _Response, lease: Lease) -> bool:
    if not refuses(
        response.status_code,
        response.headers.get("WWW-Authenticate"),
        sent=response.request.headers.get("Authorization"),
        lease=lease.authorization,
    ):
        return False
    response.extensions[REPLAYED] = False
    return True


def _bear(error: SessionError, response: _Response) -> None:
    """The 401 says enough where no second try was to come."""
    if _repeatable(response) and not isinstance(error, RefreshLoopError):
        raise error


def _repeatable(response: _Response) -> bool:
    """What the request is made of can be read from its beginning again. An iterator cannot, nor a
    file: nobody here knows where its reader began.
    """
    stream = response.request.stream
    kind = type(stream).__name__
    if kind == "MultipartStream":
        files = (getattr(each, "file", b"") for each in stream.fields)
        return all(isinstance(file, str | bytes) or _rewinds(file) for file in files)
    return kind == "ByteStream"


def _rewinds(file: Any) -> bool:  # noqa: ANN401  # whatever has a method `read`
    seekable = getattr(file, "seekable", None)
    return seekable is not None and bool(seekable())
