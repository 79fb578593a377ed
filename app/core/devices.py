"""Where a request came from, as it says itself: for people to look at, for no rule to trust."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

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


def address_hint(address: str | None) -> str | None:
    """Enough of it to tell one's own networks apart, and no more; None when it is no address."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found
    if isinstance(found, IPv4Address):
        return ".".join([*str(found).split(".")[:3], "*"])
    groups = (found.packed[place : place + 2] for place in (0, 2, 4))
    return ":".join([*(f"{int.from_bytes(group):x}" for group in groups), "*"])
