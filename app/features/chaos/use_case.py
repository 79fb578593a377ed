"""Which fault a request meets, and what happens then."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from errno import ECONNRESET
from io import BytesIO
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from werkzeug.datastructures import EnvironHeaders
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_content_length

from app.core.events import ChaosInjected, RequestRefused
from app.core.outcomes import ErrorCode, Refused
from app.protocol import clients, cors
from app.protocol.forms import LARGEST_BODY
from app.protocol.responses import busy, too_often
from app.services.faults import Fault, Kind, Plans, When, from_header
from app.services.runtime import Runtime
from app.services.telemetry import request_id

HEADER = "X-Perennial-Chaos"
IN_ENVIRON = "HTTP_X_PERENNIAL_CHAOS"
PATHS = cors.REGISTERED

INSTEAD = "perennial.instead"
"""Names the refusal in the environment of a request that the application is to answer with it."""

# What a proxy says whose upstream is away: not JSON, not from this server.
BAD_GATEWAY = """<html>
<head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center></body>
</html>
"""


@dataclass(frozen=True, slots=True, repr=False)
class Work:
    """A request that can be carried out any number of times."""

    app: Any  # a WSGI application
    environ: Mapping[str, Any]
    body: bytes

    def do(self, instead: Refused | None = None) -> Response:
        environ = {**self.environ, "wsgi.input": BytesIO(self.body)}
        if instead is not None:
            environ[INSTEAD] = instead
        return Response.from_app(self.app, environ, buffered=True)


class Chaos:
    """WSGI middleware: token and revocation requests meet the fault that was ordered for them.

    Only from outside the application can a connection be lost or a request be carried out twice.
    """

    def __init__(
        self,
        app: Any,  # noqa: ANN401  # a WSGI application
        run: Runtime,
        plans: Plans,
        wait: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._app = app
        self._run = run
        self._plans = plans
        self._wait = wait
        self._draw = draw

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401  # WSGI
        answer = None
        if environ["PATH_INFO"] in PATHS:
            answer = self._answer(environ)
        return (answer or self._app)(environ, start_response)

    def _answer(self, environ: Mapping[str, Any]) -> Response | None:
        """None when the application may answer as if nothing were here."""
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return self._preflight(environ)
        header = environ.get(IN_ENVIRON)
        if environ["REQUEST_METHOD"] != "POST" or (header is None and not self._plans):
            return None
        work = Work(self._app, environ, _body(environ))
        client = self._client(work)
        try:
            ordered = None if header is None else from_header(header)
        except ValueError:
            return work.do(instead=malformed("chaos_header"))
        fault = ordered or self._plans.take(client, self._draw)
        return work.do() if fault is None else self._inject(fault, work, client)

    def _inject(self, fault: Fault, work: Work, client: str) -> Response:
        request_id.set("")  # the thread's last request's, until the application names this one
        try:
            return inject(fault, work, self._wait)
        finally:
            self._run.telemetry.publish([ChaosInjected(client, fault.kind)])

    def _client(self, work: Work) -> str:
        """Whom the request names; empty when that is nobody known."""
        headers = EnvironHeaders(dict(work.environ))
        try:
            return clients.named(self._run, headers, work.body).client_id
        except SQLAlchemyError:
            return ""

    def _preflight(self, environ: Mapping[str, Any]) -> Response:
        """A page may send the header, too."""
        answer = Response.from_app(self._app, dict(environ), buffered=True)
        allowed = answer.headers.get("Access-Control-Allow-Headers")
        if allowed is not None:
            answer.headers["Access-Control-Allow-Headers"] = f"{allowed}, {HEADER}"
        return answer


def _body(environ: Mapping[str, Any]) -> bytes:
    """As much as shows the application that it is too large."""
    most = LARGEST_BODY + 1
    stated = get_content_length(dict(environ))
    body: bytes = environ["wsgi.input"].read(most if stated is None else min(stated, most))
    return body


def malformed(why: str) -> Refused:
    error = ErrorCode.INVALID_REQUEST
    return Refused(error=error, events=(RequestRefused(error=error, why=why),))


def inject(fault: Fault, work: Work, wait: Callable[[float], None]) -> Response:
    """The answer. Raises `ConnectionResetError` when none is to be sent; a WSGI server then closes
    the connection and writes nothing.
    """
    match fault.kind:
        case Kind.DROP:
            work.do()
            raise _lost()
        case Kind.DROP_BEFORE:
            raise _lost()
        case Kind.DUPLICATE:
            work.do()
            return work.do()
        case Kind.TRUNCATE:
            return _half(work.do())
        case Kind.DELAY:
            return _late(fault, work, wait)
        case Kind.TOO_OFTEN:
            return work.do(instead=too_often(fault.retry_after))
        case Kind.BUSY:
            _work_first(fault, work)
            return work.do(instead=busy(fault.retry_after))
        case Kind.BAD_GATEWAY:
            _work_first(fault, work)
            return Response(BAD_GATEWAY, 502, content_type="text/html")


def _lost() -> ConnectionResetError:
    """Gunicorn tells a lost connection from a defect by the number."""
    return ConnectionResetError(ECONNRESET, "chaos")


def _late(fault: Fault, work: Work, wait: Callable[[float], None]) -> Response:
    if fault.when is When.BEFORE:
        wait(fault.seconds)
        return work.do()
    answer = work.do()
    wait(fault.seconds)
    return answer


def _work_first(fault: Fault, work: Work) -> None:
    if fault.when is When.AFTER:
        work.do()


def _half(answer: Response) -> Response:
    """Promises its whole length and breaks off in the middle."""
    whole = answer.get_data()

    def broken() -> Iterator[bytes]:
        yield whole[: len(whole) // 2]
        raise _lost()

    answer.response = broken()
    return answer
