"""For httpx2: `httpx2.Client(auth=SessionAuth(session))`, and `httpx2.AsyncClient` alike."""

import httpx2

from perennial.auth_flow import SessionFlow


class SessionAuth(SessionFlow[httpx2.Request, httpx2.Response], httpx2.Auth):
    __doc__ = SessionFlow.__doc__
