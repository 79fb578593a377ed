"""A sign-in in the browser of this machine."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from perennial.errors import SignInError
from perennial.loopback import Listener

if TYPE_CHECKING:
    from perennial.session import Session

Open = Callable[[str], object]


def sign_in(
    session: "Session", show: Open | None, timeout: float, wishes: dict[str, str | None]
) -> None:
    """`show` is given the URL, and answers False when it cannot be shown: `SignInError`."""
    with Listener() as listener:
        url, pending = session.authorization_request(listener.redirect_uri, **wishes)
        listener.expect(pending.state)
        if (show or _open)(url) is False:
            raise SignInError("no_browser", "no browser can be opened here")
        answer = listener.wait(timeout)
    session.finish_sign_in(pending, answer)


def _open(url: str) -> bool:
    import webbrowser  # noqa: PLC0415  # it looks for browsers when it is first asked

    return webbrowser.open(url)
