"""Everything a session can answer instead of a token. No error carries token text."""


class SessionError(Exception):
    """One of the errors below. Each class says whether the session is still there."""


class Unreachable(SessionError):  # noqa: N818  # the three below are its kinds
    """There is no new token now. The session is kept; trying again later is worth it."""


class OfflineError(Unreachable):
    """The authorization server could not be reached before the deadline."""


class ServerBusyError(Unreachable):
    """It answered 429, 503 or another 5xx. `retry_after`: the seconds that it asked to wait."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ProtocolError(Unreachable):
    """What answered does not speak OAuth: a captive portal, a proxy, a broken body."""


class ConfigError(SessionError):
    """The client is set up wrongly, not its person: `invalid_client`, `invalid_scope`, an http URL.
    The session is kept. `code` is the error of RFC 6749 §5.2, where a server gave one.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class ReauthRequired(SessionError):  # noqa: N818  # the field's word
    """The session is over and its person has to sign in again. `reason` says why, as far as the
    server told: `session_idle`, `session_expired`, `session_ended`, `session_reused`, or `unknown`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SignedOut(SessionError):  # noqa: N818  # the field's word
    """Nobody is signed in. `initiator` says who ended it: `user` here, a `sibling` that shares the
    store, the `server`, or `nobody` when nobody ever signed in.
    """

    def __init__(self, initiator: str) -> None:
        super().__init__(initiator)
        self.initiator = initiator


class SignInError(SessionError):
    """A sign-in was refused. `code` is the error of RFC 6749 §5.2, RFC 6749 §4.1.2.1 or RFC 8628 §3.5."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code


class StorageError(SessionError):
    """The store cannot be read or written now. The session is kept in memory."""


class RefreshLoopError(SessionError):
    """New tokens are refused as soon as they come. The session is kept; refreshing pauses for
    `pause` seconds.
    """

    def __init__(self, pause: float) -> None:
        super().__init__(f"new tokens are refused; the next try is {pause:.0f} s away")
        self.pause = pause

    def __reduce__(self) -> tuple[type, tuple[float]]:
        return type(self), (self.pause,)
