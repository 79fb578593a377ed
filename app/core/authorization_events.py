"""Events of the authorization endpoint, its codes, of devices and the pages for people."""

from dataclasses import dataclass

from app.core.events import Event, Level


@dataclass(frozen=True, slots=True)
class BrowserSignedIn(Event):
    """A person signed in on the pages of this server. `session` is the browser session's id, which
    no token carries; `client` is empty when they came by themselves.
    """

    name = "browser_signed_in"
    session: str
    client: str
    user: str


@dataclass(frozen=True, slots=True)
class BrowserConfirmed(Event):
    """A person who was signed in entered their password again, as is asked before sessions are ended."""

    name = "browser_confirmed"
    session: str
    user: str


@dataclass(frozen=True, slots=True)
class BrowserSignedOut(Event):
    """A person signed out on the pages; sessions of applications go on."""

    name = "browser_signed_out"
    session: str
    user: str


@dataclass(frozen=True, slots=True)
class ConsentWithdrawn(Event):
    """A person took back what they had allowed a client until then (UTC milliseconds); its sessions
    of theirs end with it.
    """

    name = "consent_withdrawn"
    client: str
    user: str
    withdrawn_at: int


@dataclass(frozen=True, slots=True)
class Authorized(Event):
    """A client was sent a code; `asked` says whether the person was asked just now."""

    name = "authorized"
    client: str
    user: str
    scope: str
    asked: bool


@dataclass(frozen=True, slots=True)
class AuthorizationRefused(Event):
    """An authorization request was refused; `client` is empty when it is unknown, `error` when the
    person was shown a page and the client told nothing.
    """

    name = "authorization_refused"
    level = Level.WARNING
    client: str
    error: str
    why: str


@dataclass(frozen=True, slots=True)
class CodeRefused(Event):
    """A code was not redeemed; nothing changed, and an honest client may still redeem it."""

    name = "code_refused"
    level = Level.WARNING
    client: str
    why: str


@dataclass(frozen=True, slots=True)
class CodeReplayed(Event):
    """A code was redeemed twice, both times with the right verifier. The session is over."""

    name = "code_replayed"
    level = Level.ALERT
    session: str
    client: str
    user: str


@dataclass(frozen=True, slots=True)
class DeviceDecided(Event):
    """A person typed the code that a device shows, and allowed it something or did not."""

    name = "device_decided"
    client: str
    user: str
    scope: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class UserCodeRefused(Event):
    """A person typed a code that no device shows: mistyped, too late, or guessed."""

    name = "user_code_refused"
    level = Level.WARNING
    user: str
    why: str


@dataclass(frozen=True, slots=True)
class DeviceCodeRefused(Event):
    """A device presented a code that brings it nothing, and was not told to wait."""

    name = "device_code_refused"
    level = Level.WARNING
    client: str
    why: str


@dataclass(frozen=True, slots=True)
class PageRefused(Event):
    """A form or a link of the pages was malformed or not from our own page."""

    name = "page_refused"
    level = Level.WARNING
    path: str
    why: str
