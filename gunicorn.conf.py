"""gunicorn as Perennial runs it: threads for keep-alive, one loaded application forked to all."""

import contextlib
import json
import os
from http import HTTPStatus
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker

from app.core.outcomes import ErrorCode
from app.protocol.responses import DESCRIPTIONS
from app.services.runtime import runtime
from app.services.telemetry import library_logging
from app.settings import from_environment_or_exit

settings = from_environment_or_exit()


MALFORMED = ErrorCode.INVALID_REQUEST
STATUSES = {
    LimitRequestLine: 414,
    LimitRequestHeaders: 431,
    ExpectationFailed: 417,
    UnsupportedTransferCoding: 501,
}


class QuietAccess(Logger):
    """gunicorn's log without its access lines: the application writes better ones."""

    def access(self, *_: Any) -> None:  # noqa: ANN401  # gunicorn's signature
        pass


class JsonWorker(ThreadWorker):
    """Answers what is not HTTP as everything else is answered: JSON, nothing of the input in it."""

    def handle_error(self, _req: Any, client: Any, addr: Any, exc: Exception) -> None:  # noqa: ANN401
        status = STATUSES.get(type(exc), 400)
        if not isinstance(exc, ParseException):
            status = 500
            self.log.error("Error handling request", exc_info=exc)
        else:
            address = addr[0] if addr else ""
            self.log.warning("Invalid request from %s: %s", address, type(exc).__name__)
        with contextlib.suppress(OSError):
            write_nonblock(client, refusal(status))


def refusal(status: int) -> bytes:
    """A whole HTTP response."""
    code = ErrorCode.SERVER_ERROR if status == HTTPStatus.INTERNAL_SERVER_ERROR else MALFORMED
    body = json.dumps({"error": code.value, "error_description": DESCRIPTIONS[code]})
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
    )
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode("ascii")


bind = "127.0.0.1:8000"
workers = os.cpu_count() or 1
worker_class = JsonWorker
threads = 8
# Loaded once before the fork: private keys and failure counters are then shared by all workers.
preload_app = True
keepalive = 75
# Nothing but HTTP talks to the server.
control_socket_disable = True
timeout = 30
# Every request is short; this is what a busy database may take before it gives up.
graceful_timeout = 30
umask = 0o077
limit_request_line = 4094
limit_request_fields = 64
forwarded_allow_ips = "127.0.0.1,::1"
logger_class = QuietAccess
logconfig_dict = library_logging(settings.log_format)


def post_fork(server: Any, worker: Any) -> None:  # noqa: ANN401, ARG001  # gunicorn's hook
    """Connections belong to the process that opened them; sign-ins leave threads to refreshes."""
    run = runtime(worker.app.wsgi())
    run.transactions.dispose(close=False)
    run.rotations.dispose(close=False)
    run.passwords.make_room(worker.cfg.threads)
