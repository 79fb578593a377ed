"""A password that somebody typed on a page, and what they are told when it is refused."""

from dataclasses import dataclass

from flask import Response

from app.core.outcomes import Refused
from app.protocol import credentials
from app.protocol.credentials import Attempt, Person
from app.services.runtime import Runtime

TOO_OFTEN = "Too many attempts. Wait {seconds} seconds, then try again."
BUSY = "The server is busy. Try again in a moment."


@dataclass(frozen=True, slots=True)
class Problem:
    text: str
    status: int = 400
    retry_after: int | None = None

    def told(self, answer: Response) -> Response:
        """The page, with what it says to programs."""
        if self.retry_after is not None:
            answer.headers["Retry-After"] = str(self.retry_after)
        return answer


def prove(run: Runtime, attempt: Attempt, wrong: str) -> Person | Problem:
    """`wrong` is said the same for whatever was wrong with name and password."""
    person = credentials.prove(run, attempt)
    if isinstance(person, Person):
        return person
    run.telemetry.publish(person.events)
    return _said(person, wrong)


def _said(refused: Refused, wrong: str) -> Problem:
    wait = refused.retry_after
    if wait is None:
        return Problem(wrong)
    if refused.throttled:
        return Problem(TOO_OFTEN.format(seconds=wait), 429, wait)
    return Problem(BUSY, 503, wait)
