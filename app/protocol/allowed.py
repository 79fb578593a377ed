"""Who stands behind what was allowed in a browser a while ago: a code, a device's request."""

from dataclasses import dataclass

from app.services.runtime import Runtime
from app.store import browser_sessions, users
from app.store.users import User


@dataclass(frozen=True, slots=True)
class Allower:
    """`until`: when a session that begins with it ends at the latest; None is by its lifetime."""

    user: User
    until: int | None


def by_whom(
    run: Runtime, user_id: str, user_epoch: int, browser_session_id: str, now: int
) -> Allower | None:
    """None when all that was theirs has been ended since, or with
    `PERENNIAL_SESSIONS_END_WITH_BROWSER` their sign-in in that browser.
    """
    with run.rotations.connect() as connection:
        user = users.find(connection, user_id)
        if user is None or user.disabled_at is not None or user.auth_epoch != user_epoch:
            return None
        if run.settings.sessions_end_with_browser == "off":
            return Allower(user, None)
        until = browser_sessions.end_of(connection, browser_session_id)
    return None if until is None or until <= now else Allower(user, until)
