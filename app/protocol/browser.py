"""Who sits in front of the browser: its two cookies, the session behind one of them, CSRF tokens.

`perennial_session` names a row of `browser_sessions` and changes with every sign-in. `perennial_forms`
names nobody; it is the key of the tokens in the forms and ties a waiting request to the browser that
brought it. Both are 256 random bits that the database has a digest of at most.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from flask import Request, Response

from app.core import sessions as rules
from app.core.devices import Device
from app.core.events import Event
from app.core.sessions import SECOND, Lifetimes, whole_seconds
from app.protocol.credentials import Person
from app.protocol.forms import Form
from app.protocol.sign_out import leave_browser
from app.services.runtime import Runtime
from app.store import browser_sessions, own_sessions, unfetched
from app.store.browser_sessions import BrowserSession

SESSION = "perennial_session"
FORMS = "perennial_forms"
TOUCH_EVERY = 60 * SECOND
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, repr=False)
class Visitor:
    """`cookie` is the session cookie, empty without a live session; `forms` is new when the browser
    showed none.
    """

    session: BrowserSession | None
    cookie: str
    forms: str
    forms_is_new: bool

    @property
    def owner(self) -> str:
        """What the database calls this browser."""
        return digest(self.forms)

    def token(self, purpose: str) -> str:
        """For one form: nobody can compute it without both cookies, and a sign-in changes it."""
        message = f"{purpose}\0{self.cookie}".encode()
        return hmac.new(self.forms.encode(), message, hashlib.sha256).hexdigest()


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def visitor(run: Runtime, request: Request) -> Visitor:
    forms = _cookie(run, request, FORMS)
    cookie = _cookie(run, request, SESSION)
    session = None if cookie is None else _live(run, cookie)
    return Visitor(
        session=session,
        cookie=cookie if cookie is not None and session is not None else "",
        forms=forms or secrets.token_urlsafe(32),
        forms_is_new=forms is None,
    )


def shows_session(run: Runtime, request: Request) -> bool:
    """Whether the browser sent a session cookie at all; it does not with a form of another site."""
    return _name(run, SESSION) in request.cookies


def _name(run: Runtime, cookie: str) -> str:
    """With the prefix no other host, path or plain connection can set the cookie."""
    return f"__Host-{cookie}" if secure(run) else cookie


def secure(run: Runtime) -> bool:
    """Plain http is an issuer's in development only."""
    return run.settings.require_issuer().startswith("https:")


def _cookie(run: Runtime, request: Request, cookie: str) -> str | None:
    value = request.cookies.get(_name(run, cookie), "")
    return value if _COOKIE.fullmatch(value) else None


def _live(run: Runtime, cookie: str) -> BrowserSession | None:
    now = run.now()
    with run.rotations.connect() as connection:
        found = browser_sessions.find(connection, digest(cookie), now)
        if found is not None and now - found.last_seen_at >= TOUCH_EVERY:
            idle = rules.idle_end(now, run.lifetimes.idle, found.expires_at)
            browser_sessions.touch(connection, found.digest, now, idle)
    return found


def suspicion(run: Runtime, request: Request, form: Form, who: Visitor, purpose: str) -> str | None:
    """Why a posted form cannot be one of our own pages', or None."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return "fetch_site"
    origin = request.headers.get("Origin")
    if origin is not None and origin != own_origin(run):
        return "origin"
    token = form.values.get("csrf", "")
    if who.forms_is_new or not hmac.compare_digest(token.encode(), who.token(purpose).encode()):
        return "csrf"
    return None


def is_from_before(form: Form, who: Visitor, purpose: str) -> bool:
    """Whether this browser was given the form while nobody was signed in, and somebody is now."""
    nobody = replace(who, session=None, cookie="")
    token = form.values.get("csrf", "").encode()
    return who.session is not None and hmac.compare_digest(token, nobody.token(purpose).encode())


def own_origin(run: Runtime) -> str:
    """As browsers write it: without the port that goes without saying."""
    issuer = urlsplit(run.settings.require_issuer())
    return f"{issuer.scheme}://{issuer.netloc.removesuffix(DEFAULT_PORTS[issuer.scheme])}"


def sign_in(
    run: Runtime, person: Person, who: Visitor, device: Device, *, remember: bool
) -> Visitor:
    """A new session id at every sign-in; the one that the browser came with is over. What began in
    it goes on in the new one if it was the same person's.
    """
    now, cookie, user = run.now(), secrets.token_urlsafe(32), person.user
    settings = run.settings
    absolute = settings.remember_me_ttl if remember else settings.browser_session_ttl
    ends = rules.ends(now, Lifetimes(run.lifetimes.idle, absolute * SECOND))
    session = BrowserSession(
        digest=digest(cookie),
        public_id=secrets.token_hex(16),
        user_id=user.id,
        user_epoch=user.auth_epoch,
        auth_time=now,
        remember_me=remember,
        idle_expires_at=ends.idle,
        expires_at=ends.absolute,
        last_seen_at=now,
    )
    with run.transactions.begin() as connection:
        person.store(connection)
        before = who.session
        gone: tuple[Event, ...] | None = None
        if before is not None and before.user_id != user.id:
            left = (before.user_id, before.public_id)
            gone = leave_browser(connection, run, *left, take_back=False)
        elif before is not None and browser_sessions.end(connection, before.digest):
            unfetched.move(connection, user.id, before.public_id, session.public_id)
            own_sessions.move(connection, user.id, before.public_id, session.public_id)
        browser_sessions.begin(connection, session, device)
    run.telemetry.publish(gone or ())
    return Visitor(session, cookie, who.forms, who.forms_is_new)


def confirm(run: Runtime, person: Person, who: Visitor) -> Visitor:
    """Another cookie for the same session: what began in it is still its own, and it ends when it
    would have ended. Nobody is signed in if it has ended meanwhile.
    """
    assert who.session is not None, "whoever confirms is signed in"
    now, cookie = run.now(), secrets.token_urlsafe(32)
    session = replace(who.session, digest=digest(cookie), auth_time=now)
    with run.transactions.begin() as connection:
        person.store(connection)
        if not browser_sessions.renew(connection, who.session.digest, session.digest, now):
            return Visitor(None, "", who.forms, who.forms_is_new)
    return Visitor(session, cookie, who.forms, who.forms_is_new)


def remember(run: Runtime, response: Response, who: Visitor, *, session: bool = False) -> Response:
    """Give the browser what it lacks; with `session` also the session cookie, or its removal."""
    if who.forms_is_new:
        _set(run, response, FORMS, who.forms, None)
    if session and who.session is None:
        _set(run, response, SESSION, "", 0)
    elif session and who.session is not None:
        lasting = whole_seconds(who.session.expires_at - run.now())
        _set(run, response, SESSION, who.cookie, lasting if who.session.remember_me else None)
    return response


def _set(run: Runtime, response: Response, cookie: str, value: str, max_age: int | None) -> None:
    response.set_cookie(
        _name(run, cookie),
        value,
        max_age=max_age,
        path="/",
        secure=secure(run),
        httponly=True,
        samesite="Lax",
    )
