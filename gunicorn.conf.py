"""gunicorn as Perennial runs it: threads for keep-alive, one loaded application forked to all."""

import contextlib
import json
import os
import socket
import time
from http import HTTPStatus
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.http.body import LengthReader
from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import _DEFER, TConn, ThreadWorker

from app.core.outcomes import ErrorCode
from app.features import INSTALLED
from app.protocol.forms import LARGEST_BODY
from app.protocol.responses import DESCRIPTIONS
from app.services import readiness
from app.services.jobs import Worker
from app.services.runtime import runtime
from app.services.telemetry import library_logging
from app.services.warm_pool import WarmPool
from app.settings import from_environment_or_exit

settings = from_environment_or_exit()


READ_SECONDS = 10
FIRST_BYTE_SECONDS = 0.05
MALFORMED = ErrorCode.INVALID_REQUEST
STATUSES = {
    LimitRequestLine: 414,
    LimitRequestHeaders: 431,
    ExpectationFailed: 417,
}


class QuietAccess(Logger):
    """gunicorn's log without its access lines: the application writes better ones."""

    def access(self, *_: Any) -> None:  # noqa: ANN401  # gunicorn's signature
        pass


class JsonWorker(ThreadWorker):
    """Answers what is not HTTP in JSON, with nothing of the input in it, and waits for nobody long.

    A thread that waits for a slow client is a thread less for everybody else: a connection that
    has sent nothing goes back to the poller, and a request that has not arrived within
    `READ_SECONDS` is cut off. Only reading ends then; an answer on its way still goes out.
    """

    def init_process(self) -> None:
        self._began: dict[TConn, float] = {}
        super().init_process()

    def get_thread_pool(self) -> WarmPool:
        return WarmPool(self.cfg.threads)

    def handle(self, conn: TConn) -> Any:  # noqa: ANN401  # gunicorn's sentinel or bool
        if not conn.initialized and not conn.wait_for_data(FIRST_BYTE_SECONDS):
            return _DEFER
        self._began[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            del self._began[conn]

    def handle_request(self, req: Any, conn: TConn) -> bool:  # noqa: ANN401  # gunicorn's
        """Nobody reads a body over the limit, so the answer to it says that the connection ends."""
        reader = req.body.reader
        if isinstance(reader, LengthReader) and reader.length > LARGEST_BODY:
            req.force_close()
        return super().handle_request(req, conn)

    def murder_keepalived(self, force: bool = False) -> None:  # noqa: FBT001, FBT002  # gunicorn's
        """Runs about once a second on the main thread."""
        super().murder_keepalived(force)
        late = time.monotonic() - READ_SECONDS
        for conn, began in list(self._began.items()):
            if began < late:
                with contextlib.suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RD)

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
    uri = f"{settings.issuer}/errors#{code.value}"
    description = DESCRIPTIONS[code]
    body = json.dumps({"error": code.value, "error_description": description, "error_uri": uri})
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
# Forwarding headers are believed by the application, as PERENNIAL_TRUSTED_PROXIES says, not here.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers = {}
logger_class = QuietAccess
logconfig_dict = library_logging(settings.log_format)


def post_fork(server: Any, worker: Any) -> None:  # noqa: ANN401, ARG001  # gunicorn's hook
    """Connections belong to the process that opened them; sign-ins leave threads to refreshes."""
    run = runtime(worker.app.wsgi())
    run.transactions.dispose(close=False)
    run.rotations.dispose(close=False)
    run.passwords.make_room(worker.cfg.threads)
    chores = [job for feature in INSTALLED for job in feature.jobs]
    Worker(run, chores, readiness.may_work).start()
