"""For the standard library: `urllib.request.build_opener(SessionHandler(session)).open(url)`."""

from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request
from urllib.response import addinfourl
from weakref import WeakKeyDictionary

from perennial.errors import RefreshLoopError, SessionError
from perennial.messages import origin
from perennial.refusal import refuses
from perennial.session import Lease, Session


class NotReplayed(HTTPError):  # noqa: N818  # it says what did not happen
    """401: the access token was refused, the session has another one now, and the body of this
    request cannot be read twice.
    """


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a request carries. A `last` one is not sent again; `position` is where its body began,
    and None when nobody can go back there.
    """

    lease: Lease | None
    last: bool = False
    position: int | None = None


class SessionHandler(HTTPRedirectHandler):
    """Requests carry the session's access token, where it is allowed to go, and on a redirect within
    the same origin. A request whose token is refused is sent once more with another one. Any
    `SessionError`, beside what urllib raises.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._planned: WeakKeyDictionary[Request, _Plan] = WeakKeyDictionary()
        self._sent: WeakKeyDictionary[Request, _Plan] = WeakKeyDictionary()

    def http_request(self, request: Request) -> Request:
        plan = self._planned.pop(request, None) or self._plan(request)
        self._sent[request] = plan
        if plan.lease is not None:
            # Not among the headers that urllib takes along to wherever a redirect leads.
            request.add_unredirected_header("Authorization", plan.lease.authorization)
        return request

    https_request = http_request

    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> Request | None:
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None:
            plan, same = self._sent[req], origin(newurl) == origin(req.full_url)
            self._planned[following] = _Plan(plan.lease if same else None, plan.last, position=0)
        return following

    def http_error_401(
        self, request: Request, answer: IO[bytes], code: int, message: str, headers: HTTPMessage
    ) -> HTTPResponse | addinfourl | None:
        plan = self._sent[request]
        lease, said = plan.lease, headers.get_all("WWW-Authenticate", [])
        if lease is None or plan.last:
            return None
        sent = request.unredirected_hdrs.get("Authorization")
        if not refuses(code, ", ".join(said), sent=sent, lease=lease.authorization):
            return None
        repeatable = _rewind(request, plan.position)
        try:
            renewed = self._session.renew(lease)
        except SessionError as error:
            if repeatable and not isinstance(error, RefreshLoopError):
                answer.close()
                raise
            return None
        if not repeatable:
            raise NotReplayed(request.full_url, code, message, headers, answer)
        answer.close()
        self._planned[request] = _Plan(renewed, last=True)
        opener: OpenerDirector = self.parent
        second: HTTPResponse | addinfourl = opener.open(request, timeout=request.timeout)
        return second

    def _plan(self, request: Request) -> _Plan:
        allowed = self._session.allows(request.full_url)
        return _Plan(self._session.lease() if allowed else None, position=_position(request.data))


def _position(body: Any) -> int | None:  # noqa: ANN401  # whatever urllib sends
    if body is None or isinstance(body, bytes):
        return 0
    seekable = getattr(body, "seekable", None)
    return body.tell() if seekable is not None and seekable() else None


def _rewind(request: Request, position: int | None) -> bool:
    """Whether the body is where it was before it was sent."""
    body: Any = request.data
    if position is not None and hasattr(body, "seek"):
        body.seek(position)
    return position is not None
