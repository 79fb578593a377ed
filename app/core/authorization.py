"""Authorization requests (RFC 6749 §4.1): what one asks for, and which step comes next."""

import re
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from app.core import redirects
from app.core.clients import Client
from app.core.sessions import SECOND

CODE_LIFE = 60 * SECOND
"""RFC 6749 §4.1.2 allows ten minutes, RFC 9700 and ASVS want it short."""
FRESH_FOR = 10 * 60 * SECOND
"""How old a sign-in may be for ending sessions: long enough to read the list and act, too short for
who finds a browser that was left open.
"""
GRANT = "authorization_code"
LONGEST_STATE = 2048
_STATE = re.compile(rf"[\x20-\x7e]{{1,{LONGEST_STATE}}}")
_AGE = re.compile("[0-9]{1,9}")


class Prompt(StrEnum):
    """What the client wants the person to be asked (OpenID Connect Core §3.1.2.1)."""

    NONE = "none"
    LOGIN = "login"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid request. `max_age` in milliseconds."""

    client: Client
    redirect_uri: str
    redirect_uri_sent: bool
    challenge: str = field(repr=False)
    scope: str
    resources: tuple[str, ...]
    state: str | None = field(repr=False)
    prompts: frozenset[Prompt]
    max_age: int | None
    login_hint: str

    @property
    def covered(self) -> frozenset[str]:
        """What a person consents to, one by one; asking for no scope is asking for something."""
        scopes = self.scope.split() or [""]
        return frozenset(
            [*(f"scope {one}" for one in scopes), *(f"resource {one}" for one in self.resources)]
        )


class Step(Enum):
    SIGN_IN = "sign in"
    CONSENT = "consent"
    GRANT = "grant"
    LOGIN_REQUIRED = "login_required"
    CONSENT_REQUIRED = "consent_required"


def is_state(text: str) -> bool:
    return _STATE.fullmatch(text) is not None


def prompts(text: str) -> frozenset[Prompt] | None:
    """None for a value that nobody knows, and for `none` beside another."""
    words = set(text.split(" ")) - {""}
    if not words <= set(Prompt) or (Prompt.NONE in words and len(words) > 1):
        return None
    return frozenset(map(Prompt, words))


def max_age(text: str) -> int | None:
    return int(text) * SECOND if _AGE.fullmatch(text) else None


def step(asked: Asked, *, auth_time: int | None, just_now: bool, consented: bool, now: int) -> Step:
    """`auth_time` is None for a person who is not signed in; `just_now` says that they signed in
    for this very request.
    """
    silent = Prompt.NONE in asked.prompts
    if auth_time is None or not (just_now or _recent(asked, auth_time, now)):
        return Step.LOGIN_REQUIRED if silent else Step.SIGN_IN
    if not consented:
        return Step.CONSENT_REQUIRED if silent else Step.CONSENT
    return Step.GRANT


def _recent(asked: Asked, auth_time: int, now: int) -> bool:
    if Prompt.LOGIN in asked.prompts:
        return False
    # At the limit of 0 also somebody who signed in this very millisecond signs in again.
    return asked.max_age is None or (asked.max_age > 0 and now - auth_time <= asked.max_age)


def is_fresh(auth_time: int, now: int) -> bool:
    """Whether the person has proved who they are so lately that they may end sessions."""
    return now - auth_time <= FRESH_FOR


def may_skip_consent(asked: Asked) -> bool:
    """Whether the person is asked at all: the server's owner does not ask about their own."""
    return asked.client.first_party and Prompt.CONSENT not in asked.prompts


def may_remember_consent(asked: Asked) -> bool:
    """Whether an earlier consent counts. Not for who cannot prove to be that client: any program of
    the device could take the answer (RFC 8252 §8.6, RFC 6749 §10.2).
    """
    proven = not asked.client.public or redirects.vouches(asked.redirect_uri)
    return proven and Prompt.CONSENT not in asked.prompts
