"""Clients that refresh again and again in threads of their own, and never give up."""

import contextlib
import threading
from collections.abc import Iterator

from app.core.refresh_token import parse
from tests.flows.caller import Account, Answer, Caller, NoAnswerError
from tests.protocol.expect import claims
from tests.servers import wait_until


class Refresher:
    """One session that lives on: whatever happens to a request, the same token is sent again."""

    def __init__(self, account: Account) -> None:
        self._caller = Caller(account)
        first = self._caller.sign_in()
        self.token = first["refresh_token"]
        self.access_tokens = [first["access_token"]]
        self.unanswered = 0
        self.asked_to_come_again = 0
        self.refused: Answer | None = None

    @property
    def answered(self) -> int:
        return len(self.access_tokens) - 1

    @property
    def generation(self) -> int:
        token = parse(self.token)
        assert token is not None
        return token.generation

    @property
    def session(self) -> str:
        """The public id, by which logs and tables call it."""
        return str(claims(self.access_tokens[0])["sid"])

    def refresh(self) -> None:
        answer = wait_until(self._try, "an answer")
        if answer.status == 200:
            self.token = answer.body["refresh_token"]
            self.access_tokens.append(answer.body["access_token"])
        else:
            self.refused = answer

    def _try(self) -> Answer | None:
        """Each request on a connection of its own, so that any worker may serve it."""
        try:
            answer = self._caller.refresh(self.token)
        except NoAnswerError:
            self.unanswered += 1
            return None
        finally:
            self._caller.close()
        if answer.status == 503:
            self.asked_to_come_again += 1
            return None
        return answer

    def is_signed_in(self) -> bool:
        try:
            return self.refused is None and self._caller.is_active(self.token)
        finally:
            self._caller.close()


@contextlib.contextmanager
def refreshing(account: Account, count: int) -> Iterator[list[Refresher]]:
    """So many sessions, refreshed until the block ends or until they are refused."""
    refreshers = [Refresher(account) for _ in range(count)]
    stop = threading.Event()

    def loop(refresher: Refresher) -> None:
        while not stop.is_set() and refresher.refused is None:
            refresher.refresh()

    threads = [threading.Thread(target=loop, args=(each,)) for each in refreshers]
    for thread in threads:
        thread.start()
    try:
        yield refreshers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def wait_until_asked_to_come_again(refreshers: list[Refresher]) -> None:
    """Until everybody has been, by requests that began after this call."""
    goals = [refresher.asked_to_come_again + 2 for refresher in refreshers]

    def reached() -> bool:
        return all(
            refresher.asked_to_come_again >= goal
            for refresher, goal in zip(refreshers, goals, strict=True)
        )

    wait_until(reached, "everybody to be asked to come again")


def wait_for_progress(refreshers: list[Refresher], refreshes: int = 1) -> None:
    """Until every session has been refreshed so many times from now on, or refused."""
    goals = [refresher.answered + refreshes for refresher in refreshers]

    def reached() -> bool:
        return all(
            refresher.answered >= goal or refresher.refused is not None
            for refresher, goal in zip(refreshers, goals, strict=True)
        )

    wait_until(reached, "progress of every client")
