"""/account/sessions: who is signed in as this person, what they have allowed, and ending it."""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlencode

from flask import Response

from app.core.browsers import named
from app.core.devices import address_hint
from app.core.sessions import Session
from app.pages import confirm, page_forms
from app.pages.moments import Moment, moment
from app.pages.onward import SESSIONS
from app.protocol import authorization, browser, own_account, pages
from app.protocol.browser import Visitor
from app.protocol.grant import current_request
from app.protocol.own_account import Account
from app.services.runtime import Runtime, runtime
from app.store.browser_sessions import BrowserSession, SeenBrowser
from app.store.consents import Consent

PAGE = "sessions"
EVERYTHING = "end-everything"


class Act(StrEnum):
    """What a button does that leaves the person on the page."""

    END = "end"
    SIGN_OUT = "sign-out"
    END_OTHERS = "end-others"
    WITHDRAW = "withdraw"


DONE = {
    Act.END: "The session has ended.",
    Act.SIGN_OUT: "That browser is signed out.",
    Act.END_OTHERS: "All other sessions have ended.",
    Act.WITHDRAW: "The consent is withdrawn, and the application's sessions have ended.",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One item of the page; what does not apply is empty."""

    id: str
    title: str
    since: Moment
    seen: Moment | None = None
    here: bool = False
    program: str = ""
    began_in: str = ""
    address: str = ""
    scopes: str = ""
    resources: str = ""

    @property
    def spoken(self) -> str:
        """What tells its button from the others."""
        where = self.began_in or self.program
        last = "" if self.seen is None else f"last seen {self.seen.people}"
        return ", ".join(filter(None, [self.title, where, last]))


def show() -> Response:
    run, request = runtime(), current_request()
    who = browser.visitor(run, request)
    return _sign_in(run) if who.session is None else _page(run, who, who.session)


def _sign_in(run: Runtime) -> Response:
    address = f"{run.settings.require_issuer()}{pages.SIGN_IN}?{urlencode(SESSIONS)}"
    return authorization.redirect(address)


def sent() -> Response:
    run, request = runtime(), current_request()
    who = browser.visitor(run, request)
    form = page_forms.form(run, request, who, PAGE)
    if isinstance(form, Response):
        return form
    if who.session is None:
        return _sign_in(run)
    word, named_id = form.values.get("do", ""), form.values.get("id", "")
    act = Act(word) if word in set(Act) else None
    if act is None and word != EVERYTHING:
        return pages.error(run, 400, "That did not work", "No button of the page says that.")
    proven = confirm.fresh(run, who, form, PAGE)
    if isinstance(proven, Response):
        return proven
    return _carried_out(run, proven, act, named_id)


def _carried_out(run: Runtime, who: Visitor, act: Act | None, named_id: str) -> Response:
    """Without an act, everything ends. Who was signed out while they confirmed has to sign in."""
    if who.session is None:
        return _sign_in(run)
    if act is None:
        return _gone(run, who, who.session.user_id)
    if _done(run, who.session, act, named_id):
        answer = _page(run, who, who.session, DONE[act])
    else:
        answer = pages.error(
            run, 404, "Nothing to end", "You have no such session or application, any more or ever."
        )
    return browser.remember(run, answer, who, session=True)


def _done(run: Runtime, here: BrowserSession, act: Act, named_id: str) -> bool:
    """False when the person has nothing of this id."""
    match act:
        case Act.END:
            events = own_account.end_own(run, here.user_id, named_id)
        case Act.SIGN_OUT:
            events = own_account.sign_out_browser(run, here.user_id, named_id)
        case Act.WITHDRAW:
            return own_account.withdraw(run, here.user_id, named_id)
        case Act.END_OTHERS:
            own_account.end_others(run, here)
            return True
    run.telemetry.publish(events or ())
    return events is not None


def _gone(run: Runtime, who: Visitor, user_id: str) -> Response:
    run.telemetry.publish(own_account.log_out_everywhere(run, user_id))
    nobody = Visitor(None, "", who.forms, who.forms_is_new)
    return browser.remember(run, pages.render(run, "signed_out.html"), nobody, session=True)


def _page(run: Runtime, who: Visitor, here: BrowserSession, done: str = "") -> Response:
    account = own_account.seen(run, here.user_id)
    page = pages.render(
        run,
        "sessions.html",
        username=account.user.username,
        browsers=_browsers(account, here),
        sessions=[_session(account, each, here) for each in account.sessions],
        consents=[_consent(account, each) for each in account.consents],
        done=done,
        csrf=page_forms.token(who, PAGE, ""),
    )
    return browser.remember(run, page, who)


def _browsers(account: Account, here: BrowserSession) -> list[Shown]:
    """The one in front of the person first, then the latest."""
    shown = [_browser(each, here) for each in account.browsers]
    return sorted(shown, key=lambda each: not each.here)


def _browser(each: SeenBrowser, here: BrowserSession) -> Shown:
    return Shown(
        id=each.public_id,
        title=named(each.user_agent),
        since=moment(each.auth_time),
        seen=moment(each.last_seen_at),
        here=each.public_id == here.public_id,
        address=address_hint(each.ip) or "",
    )


def _session(account: Account, session: Session, here: BrowserSession) -> Shown:
    client = account.names[session.client_id]
    began = account.began_in.get(session.public_id, "")
    known = {each.public_id: named(each.user_agent) for each in account.browsers}
    return Shown(
        id=session.public_id,
        title=f"{client}, {session.device_name}" if session.device_name else client,
        since=moment(session.created_at),
        seen=moment(session.last_seen_at),
        here=began == here.public_id,
        program=named(session.user_agent),
        began_in=known.get(began, ""),
        address=address_hint(session.ip) or "",
        scopes=session.scope,
        resources=session.resource,
    )


def _consent(account: Account, consent: Consent) -> Shown:
    return Shown(
        id=consent.client_id,
        title=account.names[consent.client_id],
        since=moment(consent.since),
        scopes=" ".join(_those("scope ", consent)),
        resources=" ".join(_those("resource ", consent)),
    )


def _those(kind: str, consent: Consent) -> list[str]:
    """`Asked.covered` says of each part what kind it is."""
    return [part.removeprefix(kind) for part in consent.covered if part.startswith(kind)]
