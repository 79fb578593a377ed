"""gunicorn as Perennial runs it: threads for keep-alive, one loaded application forked to all."""

import os
from typing import Any

from gunicorn.glogging import Logger

from app.services.runtime import runtime
from app.services.telemetry import library_logging
from app.settings import from_environment_or_exit

settings = from_environment_or_exit()


class QuietAccess(Logger):
    """gunicorn's log without its access lines: the application writes better ones."""

    def access(self, *_: Any) -> None:  # noqa: ANN401  # gunicorn's signature
        pass


bind = "127.0.0.1:8000"
workers = os.cpu_count() or 1
worker_class = "gthread"
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
