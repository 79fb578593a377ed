"""What an operator does to a person's account."""

import secrets

from sqlalchemy.exc import IntegrityError

from app.core.events import Event, UserEnabled
from app.core.outcomes import Rejected
from app.core.sessions import EndReason
from app.protocol.sign_out import end_everything
from app.services.passwords import Busy
from app.services.runtime import Runtime
from app.store import audit, users
from app.store.users import User

LONGEST_NAME = 255


Ended = tuple[int, tuple[Event, ...]]
"""How many sessions ended, and what to publish."""


def create(run: Runtime, name: str, email: str | None, password: str | None) -> User | Rejected:
    """A person without a password can sign in only after `set-password`."""
    username = users.normal(name)
    if not 0 < len(username) <= LONGEST_NAME or not username.isprintable():
        return Rejected(f"a user name has 1 to {LONGEST_NAME} printable characters")
    if email is not None and not (len(email) <= LONGEST_NAME and email.isprintable()):
        return Rejected(f"an e-mail address has at most {LONGEST_NAME} printable characters")
    hashed = None if password is None else _hash(run, password)
    if isinstance(hashed, Rejected):
        return hashed
    now, user_id = run.now(), secrets.token_hex(16)
    try:
        with run.transactions.begin() as connection:
            users.create(
                connection,
                {
                    "id": user_id,
                    "username": username,
                    "email": email,
                    "password_hash": hashed,
                    "password_changed_at": None if hashed is None else now,
                    "created_at": now,
                },
            )
            audit.record(connection, now, "user_created", {"user_id": user_id})
    except IntegrityError:
        return Rejected(f"user {username!r} exists already")
    return User(user_id, username, email, hashed, auth_epoch=0, disabled_at=None)


def _hash(run: Runtime, password: str) -> str | Rejected:
    try:
        hashed = run.passwords.hash(password)
    except ValueError as error:
        return Rejected(str(error))
    return Rejected("too busy to hash a password") if isinstance(hashed, Busy) else hashed


def find(run: Runtime, name: str) -> User | Rejected:
    with run.rotations.connect() as connection:
        user = users.find_by_name(connection, name)
    return Rejected(f"there is no user {name!r}") if user is None else user


def set_password(run: Runtime, user: User, password: str) -> Ended | Rejected:
    """Returns how many sessions ended (RFC 9700 §4.14.2)."""
    hashed = _hash(run, password)
    if isinstance(hashed, Rejected):
        return hashed
    now = run.now()
    values: dict[str, object] = {"password_hash": hashed, "password_changed_at": now}
    return end_everything(run, user, EndReason.PASSWORD_CHANGED, now, values)


def disable(run: Runtime, user: User) -> Ended:
    now = run.now()
    return end_everything(run, user, EndReason.USER_DISABLED, now, {"disabled_at": now})


def enable(run: Runtime, user: User) -> tuple[Event, ...]:
    """The person may sign in again; sessions from before stay ended."""
    now = run.now()
    with run.transactions.begin() as connection:
        users.enable(connection, user.id)
        audit.record(connection, now, UserEnabled.name, {"user_id": user.id})
    return (UserEnabled(user.id),)
