"""The answer of a browser on this machine, by HTTP on loopback (RFC 8252 §7.3)."""

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from perennial.errors import SignInError

if TYPE_CHECKING:
    from typing_extensions import Self

PATH = "/cb"
POLL = 0.02
SLOWEST = 10.0
"""Seconds for one request: browsers open connections that they never use."""
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Sign-in</title>
<p>{text}
"""
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that hangs up is no news."""


class Listener:
    """Listens from the moment it is made until it is left, on a port that the system picks."""

    def __init__(self) -> None:
        listener = self
        self._answer: Future[str] = Future()
        self._mutex = threading.Lock()
        self._state: str | None = None

        class Handler(BaseHTTPRequestHandler):
            server_version, sys_version, timeout = "perennial", "", SLOWEST

            def do_GET(self) -> None:
                status, text, answer = listener.judge(self.path)
                try:
                    self._show(status, text)
                finally:
                    # Not before the page is written: who waits may end the program.
                    if answer is not None:
                        listener.take(answer)

            def _show(self, status: HTTPStatus, text: str) -> None:
                page = PAGE.format(text=text).encode()
                self.send_response(status)
                for name, value in HEADERS.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_: object) -> None:
                """The URL has the code in it."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.redirect_uri = f"http://127.0.0.1:{self._server.server_port}{PATH}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL,), name="perennial-sign-in", daemon=True
        )
        self._thread.start()

    def judge(self, target: str) -> tuple[HTTPStatus, str, str | None]:
        """What to answer, and the URL if it is the one that is waited for: the first with the right
        state, and no other.
        """
        parts = urlsplit(target)
        if parts.path != PATH:
            return HTTPStatus.NOT_FOUND, "There is nothing here.", None
        said = parse_qs(parts.query)
        state = said.get("state", [""])[0].encode()
        with self._mutex:
            if self._state is None or not compare_digest(state, self._state.encode()):
                return HTTPStatus.BAD_REQUEST, "This answers no sign-in that was asked for.", None
            self._state = None
        outcome = "The sign-in failed." if "error" in said else "The sign-in is complete."
        text = f"{outcome} You may close this window."
        return HTTPStatus.OK, text, f"{self.redirect_uri}?{parts.query}"

    def take(self, answer: str) -> None:
        self._answer.set_result(answer)

    def expect(self, state: str) -> None:
        with self._mutex:
            self._state = state

    def wait(self, timeout: float) -> str:
        """The URL that the browser came back to; `SignInError` after so many seconds."""
        try:
            return self._answer.result(timeout)
        except TooLate:
            raise SignInError("timed_out", "nobody came back from the browser") from None

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
