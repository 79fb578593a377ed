"""Where a request came from, as it says itself: for people to look at, for no rule to trust."""

from dataclasses import dataclass

LONGEST_NAME = 64
LONGEST_USER_AGENT = 200
LONGEST_ADDRESS = 45


@dataclass(frozen=True, slots=True)
class Device:
    """Fit for a terminal: printable, not too long, None when there is nothing to show."""

    user_agent: str | None = None
    address: str | None = None
    name: str | None = None


UNSAID = Device()


def described(user_agent: str = "", address: str = "", name: str = "") -> Device:
    return Device(
        user_agent=_shown(user_agent, LONGEST_USER_AGENT),
        address=_shown(address, LONGEST_ADDRESS),
        name=_shown(name, LONGEST_NAME),
    )


def _shown(text: str, longest: int) -> str | None:
    shown = text if text.isprintable() else "".join(filter(str.isprintable, text))
    return shown[:longest] or None
