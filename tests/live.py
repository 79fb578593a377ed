"""The product as an operator runs it: `perennial serve` in a process of its own."""

import contextlib
import http.client
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.servers import Child, ServerError, free_port

PERENNIAL = Path(sys.executable).with_name("perennial")

# Everything else of the caller's environment stays outside; coverage follows its subprocesses.
INHERITED = ("PATH", "TMPDIR", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


class LiveServer:
    """One working directory, one port, one environment; `start` after `stop` or `kill` restarts.

    `env` adds settings or replaces the defaults below; commands may run before the start.
    """

    def __init__(
        self,
        directory: Path,
        *,
        workers: int = 1,
        database_url: str | None = None,
        env: Mapping[str, str] | None = None,
        migrate: bool = True,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.directory = directory
        self.log = directory / "server.log"
        self._workers = workers
        self._migrate = migrate
        self._child: Child | None = None
        inherited = {name: value for name in INHERITED if (value := os.getenv(name))}
        self.env = {
            **inherited,
            "HOME": str(directory),
            "LC_ALL": "C.UTF-8",
            "PERENNIAL_ENV": "development",
            "PERENNIAL_ISSUER": self.url,
            "PERENNIAL_KEYS_DIR": str(directory / "keys"),
            "PERENNIAL_DATABASE_URL": database_url or f"sqlite:///{directory / 'perennial.db'}",
            **(env or {}),
        }

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._child:
            self._child.stop()

    @property
    def pid(self) -> int:
        return self._running().pid

    def start(self, *, seconds: float = 30) -> Self:
        """Serve, and return when the server calls itself ready."""
        command = [PERENNIAL, "serve", "--bind", f"127.0.0.1:{self.port}"]
        command += ["--workers", str(self._workers), *(["--migrate"] if self._migrate else [])]
        self._child = Child(command, log=self.log, cwd=self.directory, env=self.env)
        self._child.until_ready(self.ready, seconds=seconds)
        return self

    def ready(self) -> bool:
        """What `/readyz` says now; a server that does not answer is not ready."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == http.HTTPStatus.OK
            except (OSError, http.client.HTTPException):
                return False

    def stop(self, *, seconds: float = 35) -> int:
        """SIGTERM, and the exit code once everything accepted has been answered."""
        return self._running().stop(seconds=seconds)

    def kill(self) -> None:
        """SIGKILL to master and workers at once, as a power cut would end them."""
        self._running().kill()

    def worker_pids(self) -> list[int]:
        """The master's child processes now, lowest first (Linux)."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/children")
        return sorted(int(pid) for task in tasks for pid in task.read_text().split())

    def log_text(self) -> str:
        """All that the server wrote, over every start in this directory."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def cli(self, *args: str, input: str | None = None) -> subprocess.CompletedProcess[str]:  # noqa: A002
        """`perennial ARGS…` in the server's directory and environment, whatever its exit code."""
        return subprocess.run(
            [PERENNIAL, *args],
            input=input or "",
            check=False,
            capture_output=True,
            text=True,
            cwd=self.directory,
            env=self.env,
            timeout=60,
        )

    def _running(self) -> Child:
        if self._child is None:
            raise ServerError("this server was never started")
        return self._child
