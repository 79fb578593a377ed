"""What asks a person to sign in again: reauthenticators for `Session(reauthenticators=[...])`.

Each signs in with the session that it is given, and answers "ok"; "declined" when the person did not
want to or failed, "unavailable" when it cannot be done here and now.
"""

from collections.abc import Callable

from perennial.device_flow import Show
from perennial.errors import ConfigError, SignInError, Unreachable
from perennial.reauth import Answer
from perennial.session import Reauthenticator, Session

NOT_HERE = {"no_browser", "unsupported_grant_type", "unauthorized_client", "timed_out"}


def password_prompt(
    username: Callable[[], str | None], password: Callable[[], str | None], *, attempts: int = 3
) -> Reauthenticator:
    """Both are asked for at each attempt, outside every lock and in a thread of the session. None or
    an end of file declines; so does the last wrong password.
    """

    def ask(_: str, session: Session) -> Answer:
        for _attempt in range(attempts):
            typed = _typed(username, password)
            if typed is None:
                return "declined"
            try:
                session.sign_in_with_password(*typed)
            except SignInError as error:
                if error.code != "invalid_grant":
                    raise
            else:
                return "ok"
        return "declined"

    return _answering(ask)


def browser(
    *,
    open: Callable[[str], object] | None = None,  # noqa: A002  # as `Session` calls it
    timeout: float = 300.0,
    prompt: str | None = None,
) -> Reauthenticator:
    """`Session.sign_in_with_browser`. Somebody who is signed in there may come back unasked, unless
    `prompt` is `login`.
    """

    def ask(_: str, session: Session) -> Answer:
        session.sign_in_with_browser(open=open, timeout=timeout, prompt=prompt)
        return "ok"

    return _answering(ask)


def device(show: Show) -> Reauthenticator:
    """`Session.sign_in_with_device`."""

    def ask(_: str, session: Session) -> Answer:
        session.sign_in_with_device(show)
        return "ok"

    return _answering(ask)


def _typed(
    username: Callable[[], str | None], password: Callable[[], str | None]
) -> tuple[str, str] | None:
    try:
        name = username()
        secret = None if name is None else password()
    except EOFError:
        return None
    return None if name is None or secret is None else (name, secret)


def _answering(ask: Reauthenticator) -> Reauthenticator:
    def answer(reason: str, session: Session) -> Answer:
        try:
            return ask(reason, session)
        except SignInError as error:
            return "unavailable" if error.code in NOT_HERE else "declined"
        except (ConfigError, Unreachable):
            return "unavailable"

    return answer
