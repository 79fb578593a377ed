"""A point in time on a page."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """As machines read it, and as people do."""

    machine: str
    people: str


def moment(milliseconds: int) -> Moment:
    at = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return Moment(at.strftime("%Y-%m-%dT%H:%M:%SZ"), at.strftime("%-d %b %Y, %H:%M UTC"))
