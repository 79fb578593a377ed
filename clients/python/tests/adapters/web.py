"""The libraries that there are adapters for, behind one face."""

import asyncio
import io
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

import httpx
import httpx2
import requests

import perennial.httpx
import perennial.httpx2
import perennial.requests
from perennial.urllib import NotReplayed, SessionHandler

TEXT = b"a body"


@dataclass(frozen=True)
class Got:
    status: int
    body: bytes
    replayed: bool | None = None
    history: tuple[int, ...] = ()


def once():
    yield TEXT


async def once_in_loop():
    yield TEXT


class Pipe(io.RawIOBase):
    """A file that cannot go back."""

    def __init__(self):
        self._left = TEXT

    def readable(self):
        return True

    def readinto(self, buffer):
        said, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(said)] = said
        return len(said)


def file():
    """Its beginning is not for sending."""
    made = io.BytesIO(b"not this: " + TEXT)
    made.seek(10)
    return made


class Httpx:
    bodies: ClassVar = {
        "bytes": lambda: {"content": TEXT},
        "form": lambda: {"data": {"a": "1"}},
        "json": lambda: {"json": {"a": 1}},
        "multipart": lambda: {"files": {"f": ("f", io.BytesIO(TEXT))}, "data": {"a": "1"}},
    }
    one_shot: ClassVar = {
        "generator": lambda: {"content": once()},
        "file": lambda: {"content": io.BytesIO(TEXT)},
        "multipart of a pipe": lambda: {"files": {"f": ("f", Pipe())}},
    }

    def __init__(self, package, adapter):
        self.package, self.adapter = package, adapter
        self.name = package.__name__

    def client(self, session, **options):
        options = {"trust_env": False, "timeout": 30, **options}
        return self.package.Client(auth=self.adapter(session), **options)

    def send(self, session, method, url, **body):
        with self.client(session, follow_redirects=True) as client:
            return self.got(client.request(method, url, **body))

    def send_many(self, session, url, number):
        limits = self.package.Limits(max_connections=None)
        with self.client(session, limits=limits) as client, ThreadPoolExecutor(number) as crowd:
            return [self.got(each) for each in crowd.map(client.get, [url] * number)]

    def stream(self, session, url):
        with self.client(session) as client, client.stream("GET", url) as answer:
            return b"".join(answer.iter_raw())

    def got(self, answer):
        replayed = answer.extensions.get("perennial_replayed")
        history = tuple(each.status_code for each in answer.history)
        return Got(answer.status_code, answer.content, replayed, history)


class HttpxInLoop(Httpx):
    one_shot: ClassVar = {
        "generator": lambda: {"content": once_in_loop()},
        "multipart of a pipe": lambda: {"files": {"f": ("f", Pipe())}},
    }

    def __init__(self, package, adapter):
        super().__init__(package, adapter)
        self.name += " in a loop"

    def client(self, session, **options):
        options = {"trust_env": False, "timeout": 30, **options}
        return self.package.AsyncClient(auth=self.adapter(session), **options)

    def send(self, session, method, url, **body):
        async def send():
            async with self.client(session, follow_redirects=True) as client:
                return self.got(await client.request(method, url, **body))

        return asyncio.run(send())

    def send_many(self, session, url, number):
        async def send():
            limits = self.package.Limits(max_connections=None)
            async with self.client(session, limits=limits) as client:
                return await asyncio.gather(*(client.get(url) for _ in range(number)))

        return [self.got(each) for each in asyncio.run(send())]

    def stream(self, session, url):
        async def read():
            async with self.client(session) as client, client.stream("GET", url) as answer:
                return b"".join([part async for part in answer.aiter_raw()])

        return asyncio.run(read())


class Requests:
    name = "requests"
    bodies: ClassVar = {
        "bytes": lambda: {"data": TEXT},
        "form": lambda: {"data": {"a": "1"}},
        "json": lambda: {"json": {"a": 1}},
        "multipart": lambda: {"files": {"f": ("f", io.BytesIO(TEXT))}, "data": {"a": "1"}},
        "file": lambda: {"data": file()},
    }
    one_shot: ClassVar = {"generator": lambda: {"data": once()}, "pipe": lambda: {"data": Pipe()}}

    def client(self, session):
        made = requests.Session()
        made.trust_env = False
        made.auth = perennial.requests.SessionAuth(session)
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=200)
        made.mount("http://", adapter)
        return made

    def send(self, session, method, url, **body):
        with self.client(session) as client:
            return self.got(client.request(method, url, timeout=30, **body))

    def send_many(self, session, url, number):
        def send(_):
            return client.get(url, timeout=30)

        with self.client(session) as client, ThreadPoolExecutor(number) as crowd:
            return [self.got(each) for each in crowd.map(send, range(number))]

    def stream(self, session, url):
        with self.client(session) as client, client.get(url, stream=True, timeout=30) as answer:
            return answer.raw.read()

    def got(self, answer):
        replayed = getattr(answer, "perennial_replayed", None)
        history = tuple(each.status_code for each in answer.history)
        return Got(answer.status_code, answer.content, replayed, history)


class Urllib:
    name = "urllib"
    bodies: ClassVar = {
        "bytes": lambda: {"data": TEXT},
        "form": lambda: {"data": urllib.parse.urlencode({"a": 1}).encode()},
        "file": lambda: {"data": file(), "headers": {"Content-Length": str(len(TEXT))}},
    }
    one_shot: ClassVar = {
        "generator": lambda: {"data": once(), "headers": {"Content-Length": str(len(TEXT))}},
        "pipe": lambda: {"data": Pipe(), "headers": {"Content-Length": str(len(TEXT))}},
    }

    def opener(self, session):
        direct = urllib.request.ProxyHandler({})
        return urllib.request.build_opener(direct, SessionHandler(session))

    def send(self, session, method, url, **body):
        request = urllib.request.Request(url, method=method, **body)
        return self.open(self.opener(session), request)

    def send_many(self, session, url, number):
        opener = self.opener(session)
        with ThreadPoolExecutor(number) as crowd:
            return list(crowd.map(lambda _: self.open(opener, url), range(number)))

    def stream(self, session, url):
        with self.opener(session).open(url, timeout=30) as answer:
            return answer.read()

    def open(self, opener, request):
        try:
            with opener.open(request, timeout=30) as answer:
                return Got(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                replayed = False if isinstance(error, NotReplayed) else None
                return Got(error.code, error.read(), replayed)


WEBS = [
    Httpx(httpx, perennial.httpx.SessionAuth),
    HttpxInLoop(httpx, perennial.httpx.SessionAuth),
    Httpx(httpx2, perennial.httpx2.SessionAuth),
    HttpxInLoop(httpx2, perennial.httpx2.SessionAuth),
    Requests(),
    Urllib(),
]
