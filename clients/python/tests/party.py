"""The other party: an issuer that signs with joserfc and answers from memory or over HTTP."""

import json
import threading
import zlib
from base64 import urlsafe_b64encode
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.jwk import RSAKey

from perennial.verify import Response, TransportError

ISSUER = "https://id.example.com"
AUDIENCE = "https://notes.example.com"
STARTED = 1_800_000_000
METADATA = "/.well-known/oauth-authorization-server"
JWKS = "/.well-known/jwks.json"
LIST = "/oauth/status/1"
KEYS = {}


def new_key(kid):
    """Made once for each name; the tests need keys, not secrets."""
    if kid not in KEYS:
        KEYS[kid] = RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})
    return KEYS[kid]


class Clock:
    """Both clocks of a verifier, in seconds, moved by the test only."""

    def __init__(self):
        self.now = float(STARTED)

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


def at_once(work):
    flight = Future()
    flight.set_running_or_notify_cancel()
    work()
    flight.set_result(None)
    return flight


class Later:
    """Keeps work until the test runs it."""

    def __init__(self):
        self.waiting = []

    def __call__(self, work):
        flight = Future()
        flight.set_running_or_notify_cancel()
        self.waiting.append((work, flight))
        return flight

    def run(self):
        while self.waiting:
            work, flight = self.waiting.pop(0)
            work()
            flight.set_result(None)


def encode(part):
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Party:
    """Its answers are in `routes` (path → status, headers, body, or an exception to raise)."""

    def __init__(self, clock, issuer=ISSUER):
        self.clock, self.issuer = clock, issuer
        self.asked = []
        self.routes = {}
        self.key = new_key("first")
        self.publish("first")
        self.announce()

    def announce(self, **members):
        said = {
            "issuer": self.issuer,
            "jwks_uri": self.issuer + JWKS,
            "introspection_endpoint": self.issuer + "/oauth/introspect",
            **members,
        }
        self.answer(METADATA, said)

    def publish(self, *kids, max_age=300, also=()):
        keys = [new_key(kid).as_dict(private=False) for kid in kids]
        headers = {"Cache-Control": f"public, max-age={max_age}", "ETag": f'"{"-".join(kids)}"'}
        self.answer(JWKS, {"keys": [*keys, *also]}, headers)

    def answer(self, path, body, headers=None, status=200):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.routes[path] = (status, {"Content-Type": "application/json", **(headers or {})}, data)

    def go_away(self):
        self.routes = {}

    def count(self, path):
        return sum(urlsplit(request.url).path == path for request in self.asked)

    def __call__(self, request):
        """As a transport. A path without a route is a server that does not answer."""
        self.asked.append(request)
        answer = self.routes.get(urlsplit(request.url).path)
        if answer is None:
            raise TransportError("away")
        status, headers, body = answer(request) if callable(answer) else answer
        headers = {name.lower(): value for name, value in headers.items()}
        if headers.get("etag") and request.headers.get("If-None-Match") == headers["etag"]:
            status, body = 304, b""
        if len(body) > request.longest:
            raise TransportError("too long")
        return Response(status, headers, body)

    def claims(self, **claims):
        made = {
            "iss": self.issuer,
            "sub": "ana",
            "aud": AUDIENCE,
            "client_id": "notes",
            "iat": int(self.clock()),
            "exp": int(self.clock()) + 900,
            "jti": "1",
            "scope": "read write",
            "sid": "s1",
            **claims,
        }
        return {name: value for name, value in made.items() if value is not None}

    def token(self, *, header=None, key=None, payload=None, **claims):
        """None leaves a claim or a member of the header out."""
        said = {"alg": "RS256", "typ": "at+jwt", "kid": "first", **(header or {})}
        said = {name: value for name, value in said.items() if value is not None}
        data = json.dumps(self.claims(**claims)).encode() if payload is None else payload
        return sign(said, data, key or self.key)

    def list_token(self, *, path=LIST, header=None, statuses=b"\x00", bits=1, **claims):
        lst = encode(zlib.compress(statuses))
        said = {
            "sub": self.issuer + path,
            "iat": int(self.clock()),
            "ttl": 60,
            "status_list": {"bits": bits, "lst": lst},
            **claims,
        }
        said = {name: value for name, value in said.items() if value is not None}
        return self.token(
            header={"typ": "statuslist+jwt", **(header or {})}, payload=json.dumps(said).encode()
        )

    def publish_list(self, text=None, *, path=LIST, headers=None, **how):
        kind = {"Content-Type": "application/statuslist+jwt", **(headers or {})}
        self.answer(path, (text or self.list_token(path=path, **how)).encode(), kind)

    def reference(self, index=0, uri=None):
        return {"status_list": {"idx": index, "uri": uri or self.issuer + LIST}}


def sign(header, data, key):
    message = f"{encode(header)}.{encode(data)}"
    algorithm = jws.JWSRegistry.algorithms.get(header.get("alg"))
    signature = algorithm.sign(message.encode(), key) if algorithm else b"signature"
    return f"{message}.{encode(signature)}"


class Listening:
    """The party as a real HTTP server on loopback. `routes` are those of the party."""

    def __init__(self, clock):
        listening = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                listening.before(self.path)
                status, headers, body = listening.party.routes[self.path]
                listening.seen.append((self.path, dict(self.headers)))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.before = lambda path: None
        self.seen = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.party = Party(clock, self.url)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
