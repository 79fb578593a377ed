"""What may bring a person back whose session is over, one after the other."""

import logging
from collections.abc import Callable, Sequence
from typing import Literal

from perennial.errors import SessionError

Answer = Literal["ok", "declined", "unavailable"]
Reauthenticator = Callable[[str], Answer]
"""Is told the reason, signs in with the session it was made for, and answers "ok"; "declined" when
the person did not want to, "unavailable" when it cannot be done here. Either brings the next one on.
"""
LOG = logging.getLogger("perennial")


def go_through(
    chain: Sequence[Reauthenticator], reason: str, signed_in: Callable[[], bool]
) -> bool:
    """Whether one of them signed the person in."""
    return any(_ask(each, reason) == "ok" and signed_in() for each in chain)


def _ask(reauthenticator: Reauthenticator, reason: str) -> Answer:
    try:
        return reauthenticator(reason)
    except SessionError:
        return "declined"
    except Exception:
        LOG.exception("a reauthenticator failed")
        return "unavailable"
