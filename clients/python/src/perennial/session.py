"""The session of one person with one authorization server: `Session` is all that most need."""

import atexit
import json
import os
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple

from perennial import answers
from perennial.answers import Answer as Answered
from perennial.answers import Refused, Unsettled
from perennial.background import EVERY, Background
from perennial.book import State
from perennial.clock import Clock, SystemClock
from perennial.driver import Driver
from perennial.engine import Engine
from perennial.errors import ConfigError, ProtocolError, SignInError, Unreachable
from perennial.events import Bell, Listener
from perennial.flight import Flight, expect_asyncio
from perennial.lifetimes import SKEW, Held
from perennial.messages import Response, Transport, origin, safe_url
from perennial.reauth import Answer
from perennial.record import Granted, Record
from perennial.server import Client, Endpoints, Server
from perennial.standard import IMPORTING, Standard
from perennial.store import Store
from perennial.stores.memory import MemoryStore

if TYPE_CHECKING:
    from typing_extensions import Self

    from perennial.code_flow import Pending
    from perennial.device_flow import DeviceCode

OF_THE_CLIENT = {"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}
Reauthenticator = Callable[[str, "Session"], Answer]
_ENGINES: "weakref.WeakSet[Engine]" = weakref.WeakSet()
# A child that forked off in the middle of an import keeps half a module, for ever.


@dataclass(frozen=True, slots=True)
class Lease:
    """An access token to be used now. It is given back by `Session.renew` when it was refused."""

    access_token: str = field(repr=False)
    record: Record = field(repr=False)

    @property
    def authorization(self) -> str:
        """The value of the header (RFC 6750 §2.1)."""
        return f"Bearer {self.access_token}"


class Times(NamedTuple):
    """Seconds; None where the server did not say. What is over is zero."""

    age: float
    access_token_left: float | None
    refresh_token_left: float | None
    session_left: float | None


class Session:
    """Thread-safe, usable from any event loop, and shared with every process that has the same
    store. Making one does no I/O.

    `refresh_skew`: how many seconds before an access token expires the next one is fetched, at most
    half its lifetime. `timeout`: seconds for a request to the authorization server. `patience`:
    seconds that a caller waits for a token, unless it says otherwise. `allowed_origins`: where
    access tokens may be sent; everywhere, when none is named. `transport` carries requests to the
    authorization server.
    """

    def __init__(
        self,
        *,
        client_id: str,
        issuer: str | None = None,
        client_secret: str | None = None,
        endpoints: Endpoints | None = None,
        store: Store | None = None,
        scope: str | None = None,
        refresh_skew: float = SKEW,
        timeout: float = 8.0,
        patience: float = 30.0,
        allowed_origins: Collection[str] = (),
        reauthenticators: Sequence[Reauthenticator] = (),
        on_event: Listener | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.scope = scope
        self._patience, self._timeout = patience, timeout
        if isinstance(allowed_origins, str):
            raise ConfigError("allowed_origins is a list of origins")
        self._origins = frozenset(_checked(each) for each in allowed_origins)
        self.clock = clock or SystemClock()
        self.server = Server(
            issuer,
            Client(client_id, client_secret),
            transport or Standard(),
            self.clock,
            endpoints=endpoints,
            timeout=timeout,
        )
        self._bell = Bell()
        if on_event is not None:
            self._bell.add(None, on_event)
        self._engine = Engine(
            Driver(MemoryStore() if store is None else store, self.server, self.clock),
            self.clock,
            self._bell,
            skew=refresh_skew,
            chain=[partial(_ask, each, weakref.ref(self)) for each in reauthenticators],
        )
        _ENGINES.add(self._engine)

    def __repr__(self) -> str:
        return f"<Session {self.server.client.id} {self.state.value}>"

    # --- tokens -----------------------------------------------------------------------------------

    def token(self, timeout: float | None = None) -> str:
        """An access token that is good now. It returns at once unless there is none; then it waits
        at most `timeout` seconds. Any `SessionError`.
        """
        return self.lease(timeout).access_token

    async def atoken(self, timeout: float | None = None) -> str:  # as in `token`
        """As `token`; cancelling it cancels nothing but the wait."""
        return (await self.alease(timeout)).access_token

    def lease(self, timeout: float | None = None) -> Lease:
        """As `token`, with what `renew` needs to know."""
        return self._wait(self._patience if timeout is None else timeout, None)

    async def alease(self, timeout: float | None = None) -> Lease:  # as above
        return await self._await(self._patience if timeout is None else timeout, None)

    def renew(self, refused: Lease, timeout: float | None = None) -> Lease:
        """Another token, after a resource server answered 401 `invalid_token` to this one. Where
        there is a newer one already, that. `RefreshLoopError` when new ones are refused as well.
        """
        return self._wait(self._patience if timeout is None else timeout, refused.record)

    async def arenew(self, refused: Lease, timeout: float | None = None) -> Lease:
        return await self._await(self._patience if timeout is None else timeout, refused.record)

    def _wait(self, patience: float, refused: Record | None) -> Lease:
        found = self._look(patience, refused)
        if isinstance(found, Held):
            return _lease(found)
        try:
            return _lease(found.wait(patience))
        except Unreachable:
            # In the last seconds of a token those who cannot wait get it.
            if (held := self._engine.still_good(refused)) is None:
                raise
            return _lease(held)
        finally:
            self._engine.leave(found)

    async def _await(self, patience: float, refused: Record | None) -> Lease:
        expect_asyncio()
        found = self._look(patience, refused)
        if isinstance(found, Held):
            return _lease(found)
        try:
            return _lease(await found.wait_in_loop(patience))
        except Unreachable:
            # In the last seconds of a token those who cannot wait get it.
            if (held := self._engine.still_good(refused)) is None:
                raise
            return _lease(held)
        finally:
            self._engine.leave(found)

    def _look(self, patience: float, refused: Record | None) -> Held | Flight:
        try:
            return self._engine.look(patience, refused)
        finally:
            self._bell.ring()

    def allows(self, url: str) -> bool:
        """Whether access tokens may go there. `ConfigError` for http that is not loopback."""
        try:
            safe_url(url)
        except ValueError as error:
            raise ConfigError(f"an access token is not sent there: {error}") from None
        return not self._origins or origin(url) in self._origins

    # --- signing in and out -----------------------------------------------------------------------

    def adopt(self, token_response: Mapping[str, Any]) -> None:
        """Go on with a session that something else began: a token response of RFC 6749 §5.1, just
        received. `ProtocolError` when it is none.
        """
        body = json.dumps(dict(token_response)).encode()
        answer = answers.read(Response(200, {}, body), asked_at=self.clock.wall())
        if not isinstance(answer, Granted):
            raise ProtocolError("that is not a token response")
        self._engine.sign_in(answer, revoke=False)

    def sign_in_with_password(
        self, username: str, password: str, *, remember_me: bool = False
    ) -> None:
        """RFC 6749 §4.3, for first-party clients. `SignInError` when it is refused, `Unreachable`
        when nobody could judge it.
        """
        form = {"grant_type": "password", "username": username, "password": password}
        if remember_me:
            form["remember_me"] = "true"
        self.sign_in_with_grant(form)

    def sign_in_with_grant(self, form: Mapping[str, str]) -> None:
        """Any grant of RFC 6749 §4: its parameters without the client's own."""
        asked = {**form, "scope": self.scope} if self.scope and "code" not in form else form
        self._begin(self.server.grant(asked))

    def authorization_request(
        self, redirect_uri: str, *, prompt: str | None = None, login_hint: str | None = None
    ) -> "tuple[str, Pending]":
        """Where to send a browser, and what `finish_sign_in` needs when it comes back."""
        from perennial import code_flow  # noqa: PLC0415  # each sign-in is imported when it is used

        wishes = {"scope": self.scope, "prompt": prompt, "login_hint": login_hint}
        return code_flow.begin(self.server, redirect_uri, wishes)

    def finish_sign_in(self, pending: "Pending", callback_url: str) -> None:
        """`callback_url` is where the browser came back to, with its query. `SignInError` when it
        answers another request or comes from another server, too.
        """
        from perennial import code_flow  # noqa: PLC0415  # as above

        self._begin(self.server.grant(code_flow.finish(self.server, pending, callback_url)))

    def sign_in_with_browser(
        self,
        *,
        open: Callable[[str], object] | None = None,  # noqa: A002  # what is done with the URL
        timeout: float = 300.0,
        prompt: str | None = None,
        login_hint: str | None = None,
    ) -> None:
        """RFC 8252: the answer comes to `http://127.0.0.1:<any port>/cb`, in at most so many seconds.
        `open` shows the URL, and answers False when it cannot.
        """
        from perennial import browser  # noqa: PLC0415  # as above

        browser.sign_in(self, open, timeout, {"prompt": prompt, "login_hint": login_hint})

    def sign_in_with_device(
        self, show: "Callable[[DeviceCode], object]", *, cancelled: Event | None = None
    ) -> None:
        """RFC 8628: `show` is given the code for the person to type elsewhere."""
        from perennial import device_flow  # noqa: PLC0415  # as above

        self._begin(
            device_flow.sign_in(self.server, self.clock, self.scope, show, cancelled or Event())
        )

    def _begin(self, answer: Answered) -> None:
        if isinstance(answer, Unsettled):
            raise answer.error
        if isinstance(answer, Refused):
            if answer.code in OF_THE_CLIENT:
                raise ConfigError(f"{answer.code}: {answer.description}".rstrip(": "), answer.code)
            raise SignInError(answer.code, answer.description)
        self._engine.sign_in(answer, revoke=True)

    def logout(self, *, revoke: bool = True) -> bool:
        """Here at once, and in the store for whoever looks there next; then the server is told
        (RFC 7009). False when it could not be: it is told as soon as it answers again.
        `StorageError` when the store cannot be written.
        """
        return self._engine.sign_out(revoke=revoke)

    def restore(self) -> State:
        """Look into the store, for what to show at a launch; nothing is asked of the server but what
        an unfinished sign-out owes it. `StorageError`: nobody knows yet.
        """
        self._engine.restore()
        return self.state

    # --- what there is to know --------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self._engine.book.state

    @property
    def reason(self) -> str | None:
        """Why the session is over; None while it is not."""
        record = self._engine.book.record
        return None if record is None else record.reason

    @property
    def granted_scope(self) -> str | None:
        """What the server said that the tokens are for; None where it did not."""
        record = self._engine.book.record
        return None if record is None else record.scope

    @property
    def times(self) -> Times | None:
        """None when no session is known in this process, be it that it was not asked for yet."""
        held, now = self._engine.book.held, self.clock.wall()
        if held is None or held.record.access_token is None:
            return None
        record = held.record
        return Times(
            age=max(0.0, now - record.started_at),
            access_token_left=_not_below_zero(held.left_at(self.clock)),
            refresh_token_left=_until(record.refresh_until, now),
            session_left=_until(record.session_until, now),
        )

    def on(self, name: str, listener: Listener) -> Callable[[], None]:
        """Be told of the events of that name (`perennial.events`), outside every lock, so that any
        method may be called. What is returned ends it.
        """
        return self._bell.add(name, listener)

    # --- keeping it -------------------------------------------------------------------------------

    def wake(self) -> None:
        """The application is in front again, or the network is back: what waits tries again now, and
        what is due begins.
        """
        self._engine.wake()

    def keep_fresh(self, every: float = EVERY) -> Background:
        """Look after it in a thread of its own, every so many seconds, until the returned value is
        stopped or its `with` ends. For programs that stay: they learn of a sign-out elsewhere, and
        the first request after a pause does not wait.
        """
        return Background(self._engine, self.clock, every).start()

    def close(self) -> None:
        """Wait, at most for one request, until a refresh on its way has been stored."""
        self._engine.finish()

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _checked(url: str) -> tuple[str, str | None, int | None]:
    try:
        return origin(safe_url(url))
    except ValueError as error:
        raise ConfigError(f"{url!r} is no origin to allow: {error}") from None


def _lease(held: Held) -> Lease:
    return Lease(held.record.access_token or "", held.record)


def _ask(reauthenticator: Reauthenticator, session: "weakref.ref[Session]", reason: str) -> Answer:
    asking = session()
    return "unavailable" if asking is None else reauthenticator(reason, asking)


def _not_below_zero(seconds: float | None) -> float | None:
    return None if seconds is None else max(0.0, seconds)


def _until(moment: float | None, now: float) -> float | None:
    return None if moment is None else max(0.0, moment - now)


def _after_fork() -> None:
    IMPORTING.release()
    for engine in _ENGINES:
        engine.after_fork()


def _at_exit() -> None:
    for engine in list(_ENGINES):
        engine.finish()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=IMPORTING.acquire, after_in_parent=IMPORTING.release, after_in_child=_after_fork
    )
