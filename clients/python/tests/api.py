"""An API on loopback, by real sockets: it knows one good token, and what it was asked."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    authorization: str | None
    cookie: str | None
    body: bytes


class Api:
    """`routes`: path → what answers instead, by what was asked: (status, headers, body)."""

    def __init__(self, good=lambda: "a0"):
        self.good, self.refused = good, set()
        self.challenge = 'Bearer realm="api", error="invalid_token"'
        self.routes = {}
        self.seen = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self):
                asked = Asked(
                    self.command,
                    self.path,
                    self.headers["Authorization"],
                    self.headers["Cookie"],
                    self.body(),
                )
                api.seen.append(asked)
                status, headers, body = api.routes.get(self.path, api.judge)(asked)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815  # the shape of http.server

            def body(self):
                if self.headers["Transfer-Encoding"] != "chunked":
                    return self.rfile.read(int(self.headers["Content-Length"] or 0))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 200

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def judge(self, asked):
        good = self.good()
        if asked.authorization == f"Bearer {good}" and good not in self.refused:
            return 200, {}, b"welcome " + asked.body
        headers = {} if self.challenge is None else {"WWW-Authenticate": self.challenge}
        return 401, headers, b"no"

    def revoke(self):
        """The present token is refused before its time."""
        self.refused.add(self.good())

    def never(self, asked):
        return 401, {"WWW-Authenticate": self.challenge}, b"never"

    def send_to(self, url, status=302):
        return lambda _: (status, {"Location": url}, b"elsewhere")

    @property
    def tokens(self):
        return [asked.authorization for asked in self.seen]

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
