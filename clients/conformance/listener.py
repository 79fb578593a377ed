"""HTTP/1.1 on loopback: keep-alive, chunked bodies, and connections that end as a fault says."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from urllib.parse import urlsplit

from clients.conformance.messages import Answer, Delivery, Request, json_answer

HOST = "127.0.0.1"
LONGEST_BODY = 16 << 20


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, answer: Callable[[Request], Answer]) -> None:
        self.answer = answer
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__((HOST, port), _Handler)

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()

    def _respond(self) -> None:
        body = self._body()
        if body is None:
            self.close_connection = True
            self._send(json_answer({"error": "invalid_request"}, 400))
            return
        target = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, target.path, target.query, headers, body)
        self._send(self.server.answer(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _respond  # noqa: N815

    def _send(self, answer: Answer) -> None:
        match answer.delivery:
            case Delivery.NOTHING:
                self.close_connection = True
            case Delivery.RESET:
                self._reset()
            case Delivery.HALF:
                self.close_connection = True
                self._write(answer, answer.body[: len(answer.body) // 2])
            case Delivery.WHOLE:
                self._write(answer, answer.body)

    def _write(self, answer: Answer, body: bytes) -> None:
        """The length announced is that of the whole body."""
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:  # noqa: PLR2004  # RFC 9110 §8.6: no length beside No Content
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        """Closed here, since the server would send a FIN before it closes."""
        self.close_connection = True
        at_once = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.rfile.close()
        self.connection.close()

    def _body(self) -> bytes | None:
        """None: it is too long, or its framing is broken."""
        try:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                return self._chunks()
            length = int(self.headers.get("Content-Length", "0"))
        except ValueError:
            return None
        return self.rfile.read(length) if 0 <= length <= LONGEST_BODY else None

    def _chunks(self) -> bytes | None:
        body = b""
        while size := int(self.rfile.readline(80).partition(b";")[0], 16):
            if size < 0 or len(body) + size > LONGEST_BODY:
                return None
            body += self.rfile.read(size)
            self.rfile.readline(2)
        while self.rfile.readline(1024).strip():
            pass
        return body

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in http.server
        """The ledger tells what happened."""


class Listener:
    """One port for its whole life, also while nobody answers there."""

    def __init__(self, answer: Callable[[Request], Answer], port: int = 0) -> None:
        self._answer = answer
        self._server: _Server | None = _Server(port, answer)
        self._place: socket.socket | None = None
        self.port: int = self._server.server_address[1]
        self._thread = self._serve(self._server)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def refuse(self) -> None:
        """Drop every connection and refuse new ones; the port stays ours."""
        self._stop()
        if self._place is None:
            self._place = socket.socket()
            self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._place.bind((HOST, self.port))

    def accept(self) -> None:
        if self._server is not None:
            return
        self._leave()
        self._server = _Server(self.port, self._answer)
        self._thread = self._serve(self._server)

    def close(self) -> None:
        self._stop()
        self._leave()

    def _serve(self, server: _Server) -> threading.Thread:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        return thread

    def _stop(self) -> None:
        if self._server is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.drop_connections()
        self._server = None

    def _leave(self) -> None:
        if self._place is not None:
            self._place.close()
            self._place = None
