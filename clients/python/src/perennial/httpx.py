"""For httpx: `httpx.Client(auth=SessionAuth(session))`, and `httpx.AsyncClient` alike."""

import httpx

from perennial.auth_flow import SessionFlow


class SessionAuth(SessionFlow[httpx.Request, httpx.Response], httpx.Auth):
    __doc__ = SessionFlow.__doc__
