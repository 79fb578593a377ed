"""HTTP by the standard library: one request, one bounded answer, no redirects."""

import errno
import http.client
import io
import socket
import ssl
import time
import urllib.error
import urllib.request
from email.message import Message
from typing import Any

from perennial.messages import Request, Response, TooLongError, TransportError, safe_url

CHUNK = 65_536
_UNREACHED = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL}


class _AsItComes(urllib.request.HTTPErrorProcessor):
    """No redirect is followed: it could lead to where `safe_url` never looked. And what comes with
    an error status has a body like any other.
    """

    def http_response(
        self, _: urllib.request.Request, response: http.client.HTTPResponse
    ) -> http.client.HTTPResponse:
        return response

    def https_response(
        self, _: urllib.request.Request, response: http.client.HTTPResponse
    ) -> http.client.HTTPResponse:
        return response


class _Timed(io.RawIOBase):
    """What arrives until a deadline. A socket's own timeout begins anew with each byte."""

    def __init__(self, connection: socket.socket, raw: io.RawIOBase, deadline: float) -> None:
        self._connection, self._raw, self._deadline = connection, raw, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401  # the shape of io
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("too slow")
        self._connection.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(sock, *args, **kwargs)
        deadline = time.monotonic() + (sock.gettimeout() or 0)
        self.fp = io.BufferedReader(_Timed(sock, self.fp.detach(), deadline))


class _Http(http.client.HTTPConnection):
    response_class = _Answer


class _Https(http.client.HTTPSConnection):
    response_class = _Answer


class _HttpHandler(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Http, request)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._tls = context

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Https, request, context=self._tls)


class UrllibTransport:
    """The standard library's HTTP, with the proxies of the environment and verified TLS."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        https = _HttpsHandler(context or ssl.create_default_context())
        self._opener = urllib.request.build_opener(_HttpHandler(), https, _AsItComes())

    def __call__(self, request: Request) -> Response:
        try:
            return self._answer(request)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            text = f"{type(error).__name__}: {reason}"
            raise TransportError(text, reached=_may_have_reached(reason)) from None

    def _answer(self, request: Request) -> Response:
        deadline = time.monotonic() + request.timeout
        sent = urllib.request.Request(  # noqa: S310  # the next line looks at the scheme
            safe_url(request.url), data=request.body, headers=dict(request.headers)
        )
        with self._opener.open(sent, timeout=request.timeout) as answer:
            body = bytearray()
            # read1 returns what is there: a server that drips cannot outlast the deadline.
            while chunk := answer.read1(CHUNK):
                body += chunk
                if len(body) > request.longest:
                    raise TooLongError("too long")
                if time.monotonic() > deadline:
                    raise TransportError("too slow")
            if answer.length:
                raise TransportError("cut off")
            return Response(answer.status, _lower(answer.headers), bytes(body))


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _may_have_reached(reason: object) -> bool:
    if isinstance(reason, socket.gaierror | ssl.SSLCertVerificationError):
        return False
    return not (isinstance(reason, OSError) and reason.errno in _UNREACHED)
