"""For requests: `requests.get(url, auth=SessionAuth(session))`, or `Session.auth`."""

from functools import partial
from typing import Any

import requests
from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar
from requests.exceptions import UnrewindableBodyError
from requests.utils import rewind_body

from perennial.errors import RefreshLoopError, SessionError
from perennial.refusal import refuses
from perennial.session import Lease, Session


class SessionAuth(AuthBase):
    """Requests carry the session's access token, where it is allowed to go. A request whose token is
    refused is sent once more with another one; its `response.perennial_replayed` is True then. It is
    False where that was not possible, because the body cannot be read twice or new tokens are
    refused as well: the 401 is what is returned. Any `SessionError`.

    The token is of the time when the request was prepared. Prepare it anew to send it again.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._session.allows(request.url or ""):
            lease = self._session.lease()
            request.headers["Authorization"] = lease.authorization
            hook: Any = partial(self._try_again, lease)
            request.hooks["response"].append(hook)
        return request

    def _try_again(
        self,
        lease: Lease,
        response: requests.Response,
        **how: Any,  # noqa: ANN401  # what Session.send was told
    ) -> requests.Response:
        """Once: redirects share the hook, but what follows a second try carries another token."""
        if not refuses(
            response.status_code,
            response.headers.get("WWW-Authenticate"),
            sent=response.request.headers.get("Authorization"),
            lease=lease.authorization,
        ):
            return response
        _mark(response, replayed=False)
        repeatable = _rewind(response.request)
        try:
            renewed = self._session.renew(lease)
        except SessionError as error:
            if repeatable and not isinstance(error, RefreshLoopError):
                response.close()
                raise
            return response
        return _send_again(response, renewed, how) if repeatable else response


def _send_again(first: requests.Response, lease: Lease, how: dict[str, Any]) -> requests.Response:
    _ = first.content  # the connection is free again once everything was read
    first.close()
    # The request itself, not a copy: requests follows a redirect with its headers.
    request: Any = first.request
    first.request = request.copy()
    cookies = request._cookies  # noqa: SLF001  # as its own HTTPDigestAuth does
    keep_cookies: Any = extract_cookies_to_jar
    keep_cookies(cookies, first.request, first.raw)
    request.headers.pop("Cookie", None)
    request.prepare_cookies(cookies)
    request.headers["Authorization"] = lease.authorization
    second: requests.Response = first.connection.send(request, **how)
    second.history.append(first)
    second.request = request
    _mark(second, replayed=True)
    return second


def _mark(response: requests.Response, *, replayed: bool) -> None:
    vars(response)["perennial_replayed"] = replayed


def _rewind(request: requests.PreparedRequest) -> bool:
    """Whether the body is where it was before it was sent."""
    if request.body is None or isinstance(request.body, str | bytes | bytearray):
        return True
    try:
        rewind_body(request)
    except UnrewindableBodyError:
        return False
    return True
