"""A client as its users have it: a `Session` on a file, and httpx with it, in threads or in tasks."""

import asyncio
import json
import subprocess
import sys
import threading
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl

import httpx

from perennial import errors
from perennial.httpx import SessionAuth
from perennial.session import Session

ROOT = Path(__file__).parents[4]
MORTAL = "clients.python.tests.conformance.mortal"
PASSWORD = "correct horse"
PATIENCE = 10
KINDS = {
    errors.OfflineError: "offline",
    errors.ServerBusyError: "server_busy",
    errors.ProtocolError: "protocol",
    errors.ConfigError: "config",
    errors.ReauthRequired: "reauth_required",
    errors.SignedOut: "signed_out",
    errors.StorageError: "storage",
    errors.RefreshLoopError: "refresh_loop",
}


class Patient:
    """A session whose callers wait for so many seconds: adapters have no word for it."""

    def __init__(self, session, seconds):
        self._session, self._seconds = session, seconds
        self.allows = session.allows

    def lease(self):
        return self._session.lease(self._seconds)

    def renew(self, refused):
        return self._session.renew(refused, self._seconds)

    async def alease(self):
        return await self._session.alease(self._seconds)

    async def arenew(self, refused):
        return await self._session.arenew(refused, self._seconds)


class Application:
    """Threads call, each in a way that nobody can cancel."""

    def __init__(self, url, store, clock, described):
        self.url, self.store, self.clock = url, store, clock
        self.events, self.raised, self.prompts = [], [], Counter()
        self.crash_at, self._pools = None, []
        chain = described.get("reauthenticators", ())
        self.session = Session(
            issuer=url,
            client_id="conformance",
            store=store,
            clock=clock,
            timeout=described.get("request_timeout", 8),
            reauthenticators=[self._reauthenticator(**each) for each in chain],
            on_event=self.events.append,
        )
        self.http = httpx.Client(**self._how())
        self.attempt(self.session.restore)

    def _how(self):
        limits = httpx.Limits(max_connections=None)
        return {"base_url": self.url, "trust_env": False, "timeout": 30, "limits": limits}

    def _reauthenticator(self, name, answers):
        left = iter(answers)

        def ask(_, session):
            self.prompts[name] += 1
            answer = next(left)
            if answer == "ok":
                session.sign_in_with_password("ana", PASSWORD)
            return answer

        return ask

    def attempt(self, work, *arguments):
        """What the README calls an outcome."""
        try:
            return work(*arguments) or {}
        except errors.SessionError as error:
            self.raised.append(error)
            named = {"error": KINDS[type(error)]}
            for name in ("reason", "initiator"):
                if hasattr(error, name):
                    named[name] = getattr(error, name)
            return named

    def sign_in(self, user):
        return self.attempt(self.session.sign_in_with_password, user, PASSWORD)

    def begin(self, times, path="/api/echo", method="GET", body=None, timeout=PATIENCE):
        """Futures of the outcomes of so many requests at once."""
        point, self.crash_at = self.crash_at, None
        if point is not None:
            return [done(self._die(point))]
        pool, together = ThreadPoolExecutor(times), threading.Barrier(times)

        def ask():
            together.wait(PATIENCE)
            sent = None if body is None else content(**body, generator=generated)
            auth = SessionAuth(Patient(self.session, timeout))
            answer = self.http.request(
                method, path, auth=auth, follow_redirects=True, **(sent or {})
            )
            return outcome(answer, body)

        calls = [pool.submit(self.attempt, ask) for _ in range(times)]
        pool.shutdown(wait=False)
        self._pools.append(pool)
        return calls

    def cancel(self, calls):
        """Threads cannot be."""

    def _die(self, point):
        """In a process of its own, as this application."""
        self.drop()
        told = {
            "url": self.url,
            "path": str(self.store.path),
            "point": point,
            "ahead": self.clock.ahead,
            "set_by": self.clock.set_by,
        }
        command = [sys.executable, "-m", MORTAL, json.dumps(told)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=30, check=False)
        return {"crashed": True} if ended.returncode == -9 else {"error": ended.stderr.decode()}

    def end(self):
        for pool in self._pools:
            pool.shutdown()
        self.session.close()
        self.drop()

    def drop(self):
        self.http.close()

    def words(self):
        """Whatever may be seen by others than the application."""
        yield repr(self.session)
        yield repr(self.session.times)
        yield repr(self.session._engine.book.record)
        with suppress(errors.SessionError):
            yield repr(self.session.lease(0))
        for event in self.events:
            yield repr(event)
        for error in self.raised:
            yield repr(error)
            yield "".join(traceback.format_exception(error))


class InLoop(Application):
    """Tasks of one event loop call."""

    def __init__(self, *made):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        super().__init__(*made)
        self._client = httpx.AsyncClient(**self._how())

    def begin(self, times, path="/api/echo", method="GET", body=None, timeout=PATIENCE):
        if self.crash_at is not None:
            return super().begin(times)

        async def ask():
            sent = {} if body is None else content(**body, generator=generated_in_loop)
            auth = SessionAuth(Patient(self.session, timeout))
            answer = await self._client.request(
                method, path, auth=auth, follow_redirects=True, **sent
            )
            return outcome(answer, body)

        async def attempt():
            try:
                said = await ask()
            except errors.SessionError as error:
                failure = error
            else:
                return said
            return self.attempt(_raise, failure)

        return [asyncio.run_coroutine_threadsafe(attempt(), self._loop) for _ in range(times)]

    def cancel(self, calls):
        for call in calls:
            assert call.cancel()

    def drop(self):
        super().drop()
        if self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result(PATIENCE)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(PATIENCE)
            self._loop.close()


def _raise(error):
    raise error


def done(said):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: said)


def generated(text):
    yield text


async def generated_in_loop(text):
    yield text


def content(kind, text, generator):
    """Of httpx."""
    match kind:
        case "bytes":
            return {"content": text.encode()}
        case "form":
            return {"data": dict(parse_qsl(text))}
        case "multipart":
            return {"files": {"text": (None, text)}}
        case "stream":
            return {"content": generator(text.encode())}


def outcome(answer, body):
    said = {"status": answer.status_code, "replayed": answer.extensions.get("perennial_replayed")}
    if answer.status_code == 200:
        told = answer.json()
        said["user"] = told.get("user")
        if body is not None:
            assert is_whole(told["body"], **body), told["body"]
    return said


def is_whole(received, kind, text):
    if kind == "form":
        return parse_qsl(received) == parse_qsl(text)
    if kind == "multipart":
        return 'name="text"' in received and f"\r\n\r\n{text}\r\n" in received
    return received == text
