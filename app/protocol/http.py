"""What surrounds every request: its id, its log line, CORS, and an answer for whatever fails."""

import re
import secrets
import time

from flask import Flask, Request, Response
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, InternalServerError, RequestEntityTooLarge

from app.core.events import DatabaseUnavailable, Event, RequestRefused, SigningUnavailable
from app.core.outcomes import ErrorCode, Refused
from app.protocol import cors, problems
from app.protocol.forms import LARGEST_BODY
from app.protocol.grant import current_request
from app.protocol.pages import PATHS, failure
from app.protocol.responses import busy, refusal, response
from app.services.keystore import UnavailableError
from app.services.runtime import Runtime
from app.services.telemetry import request_id
from app.settings import SettingsError

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{8,64}")
RETRY_SECONDS = 1
# Read-only (a standby), rolled back, out of resources, operator's doing, system error.
OUTAGE_CLASSES = frozenset({"25", "40", "53", "57", "58"})
_BEGAN = "perennial.began"


def surround(app: Flask, run: Runtime) -> None:
    """Install hooks and error handlers."""
    app.before_request(lambda: _begin(run))
    app.after_request(lambda answer: _end(run, answer))
    app.register_error_handler(HTTPException, lambda error: _refused(run, error))
    app.register_error_handler(SQLAlchemyError, lambda error: _database_failed(run, error))
    app.register_error_handler(UnavailableError, lambda error: _cannot_sign(run, error))
    app.register_error_handler(SettingsError, lambda error: _cannot_sign(run, error))
    app.register_error_handler(InternalServerError, lambda error: _broke(run, error))
    app.register_error_handler(Exception, lambda error: _failed(run, error))


def _begin(run: Runtime) -> Response | None:
    request = current_request()
    request.environ[_BEGAN] = time.perf_counter()
    request_id.set(_name(run, request))
    if (request.content_length or 0) > LARGEST_BODY:
        raise RequestEntityTooLarge
    return Response(status=204) if cors.is_preflight(request) else None


def _name(run: Runtime, request: Request) -> str:
    """Only a proxy of ours may name a request; a stranger could forge lines of another one."""
    if run.settings.trusted_proxies:
        sent = request.headers.get("X-Request-ID", "")
        if _REQUEST_ID.fullmatch(sent):
            return sent
    return secrets.token_hex(8)


def _end(run: Runtime, answer: Response) -> Response:
    request = current_request()
    cors.allow(request, answer, lambda origin: _is_origin(run, origin))
    answer.headers.add("X-Request-ID", request_id.get())
    answer.headers.add("X-Content-Type-Options", "nosniff")
    milliseconds = (time.perf_counter() - request.environ[_BEGAN]) * 1000
    address = request.remote_addr or ""
    run.telemetry.access(request.method, request.path, answer.status_code, milliseconds, address)
    return answer


def _is_origin(run: Runtime, origin: str) -> bool:
    """A database that is away must not turn one answer into another."""
    try:
        return run.registry.is_origin(origin, run.now())
    except SQLAlchemyError:
        return False


def _answer(run: Runtime, refused: Refused, *events: Event, status: int | None = None) -> Response:
    run.telemetry.publish(events)
    issuer = run.settings.issuer or ""
    path = current_request().path
    if path.startswith(problems.API):
        return problems.rendered(problems.translated(refused, status), issuer)
    answer = response(refusal(refused, issuer, status))
    return _for_people(run, refused, answer) if path in PATHS and issuer else answer


def _for_people(run: Runtime, refused: Refused, answer: Response) -> Response:
    """The same refusal as a page."""
    page = failure(run, refused.error, answer.status_code)
    retry_after = answer.headers.get("Retry-After")
    if retry_after is not None:
        page.headers["Retry-After"] = retry_after
    return page


def _refused(run: Runtime, error: HTTPException) -> Response:
    """404, 405, 413 and their kind: the framework's status, our body."""
    status = error.code or 500
    event = RequestRefused(error=ErrorCode.INVALID_REQUEST, why=f"http_{status}")
    answer = _answer(run, Refused(error=ErrorCode.INVALID_REQUEST), event, status=status)
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        answer.headers["Allow"] = ", ".join(sorted(allowed))
    return answer


def _database_failed(run: Runtime, error: SQLAlchemyError) -> Response:
    """Busy, gone, full or ambiguous: never `invalid_grant`; the same request may be repeated."""
    if not _outage(error):
        return _failed(run, error)
    cause = error.orig if isinstance(error, DBAPIError) else error
    why = f"{type(cause).__name__}: {cause}".splitlines()[0]
    return _answer(run, busy(RETRY_SECONDS), DatabaseUnavailable(why=why))


def _outage(error: SQLAlchemyError) -> bool:
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or _sqlstate(error)[:2] in OUTAGE_CLASSES


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _cannot_sign(run: Runtime, error: Exception) -> Response:
    return _answer(run, busy(RETRY_SECONDS), SigningUnavailable(why=str(error)))


def _broke(run: Runtime, error: InternalServerError) -> Response:
    """How the framework hands over what failed after the answer was made."""
    return _failed(run, error.original_exception or error)


def _failed(run: Runtime, error: BaseException) -> Response:
    run.telemetry.failure("unexpected_error", error)
    return _answer(run, Refused(error=ErrorCode.SERVER_ERROR))
