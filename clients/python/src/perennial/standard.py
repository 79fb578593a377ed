"""The transport of a session that is given none."""

from threading import RLock

from perennial.messages import Request, Response, Transport

IMPORTING = RLock()


class Standard:
    """The standard library's HTTP, which takes long to import: not before the first request."""

    def __init__(self) -> None:
        self._real: Transport | None = None

    def __call__(self, request: Request) -> Response:
        if self._real is None:
            with IMPORTING:
                from perennial.transport import UrllibTransport  # noqa: PLC0415  # see above

                self._real = UrllibTransport()
        return self._real(request)
