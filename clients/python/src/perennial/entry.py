"""Signing in and out, and what the server is told about it."""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from perennial import flow
from perennial.book import Book, Verdict
from perennial.clock import Clock
from perennial.driver import Driver
from perennial.errors import SignedOut, StorageError
from perennial.flow import Unstored
from perennial.record import Granted, Record, Standing


class Entry:
    """What touches the book is called under the engine's mutex, the rest outside it."""

    def __init__(self, driver: Driver, clock: Clock, book: Book) -> None:
        self._driver, self._clock, self._book = driver, clock, book
        self._chains: dict[int, Record] = {}
        self.revokes = True

    # --- in ---------------------------------------------------------------------------------------

    @contextmanager
    def chain(self, ended: Record) -> Iterator[None]:
        """While somebody is asked to come back to what has ended, in this thread."""
        self._chains[threading.get_ident()] = ended
        try:
            yield
        finally:
            del self._chains[threading.get_ident()]

    def check_chain(self, granted: Granted, owed: set[str]) -> None:
        """Who signed out while a chain was signing in has signed out: `SignedOut`."""
        ended = self._chains.get(threading.get_ident())
        if ended is not None and _left_since(self._book.record, ended):
            owed.update({granted.refresh_token} if granted.refresh_token else ())
            raise SignedOut("user")

    def admit(self, granted: Granted, *, revoke: bool) -> tuple[Record, Unstored | None]:
        """Into the store, or into memory where the store fails."""
        try:
            record = self._driver.run(
                flow.replace_by(lambda there: there.signed_in(granted, revoke=revoke), anew=True)
            )
        except StorageError:
            base = self._book.record or Record()
            record = base.signed_in(granted, revoke=revoke)
            return record, Unstored(base, record)
        return record, None

    def take(self, record: Record, unstored: Unstored | None) -> None:
        self.revokes = True
        self._book.unstored = unstored
        if unstored is not None:
            self._book.degraded("a sign-in could not be stored")
        self._book.take(record, "sign_in")

    # --- out --------------------------------------------------------------------------------------

    def dismiss(self, *, revoke: bool) -> tuple[Record, StorageError | None]:
        """From the store; the failure comes along where it could not be written."""
        known = self._book.record

        def over(there: Record) -> Record:
            tokens = {*there.to_revoke, there.refresh_token, known and known.refresh_token}
            listed = sorted(token for token in tokens if token)
            return there.signed_out("user", listed if revoke else (), self._clock.wall())

        record: Record | None = None
        try:
            with self._driver.lock(1.0):
                record = self._driver.run(flow.replace_by(over, anew=True))
        except StorageError as error:
            if record is None:
                return over(known or Record()), error
        return record, None

    def leave(self, record: Record, failure: StorageError | None, *, revoke: bool) -> None:
        self.revokes = revoke
        base = self._book.record or Record()
        self._book.sign_out(record, "user")
        if failure is not None:
            self._book.unstored = Unstored(base, record)

    def give_up(self, ended: Record) -> Record:
        """Nobody came back: signed out, for everybody, unless somebody signed in meanwhile."""
        now = self._clock.wall()
        with suppress(StorageError):
            return self._driver.run(flow.replace_by(lambda there: there.given_up(ended, now)))
        return ended.signed_out("server", (), now)

    def given_up(self, newest: Record, ended: Record) -> Verdict:
        known = self._book.record
        if known is not None and known.newer_than(ended):
            return self._book.take(known, "sibling")
        if newest.active or newest.reason == "user":
            return self._book.take(newest, "sibling")
        self._book.sign_out(newest, "server")
        return SignedOut("server")

    def pay(self, tokens: Collection[str]) -> bool:
        """Tell the server which tokens are over, and remember those that it could not be told."""
        if not tokens:
            return True
        told = {token for token in tokens if self._driver.server.revoke(token)}
        untold = [token for token in tokens if token not in told]
        with suppress(StorageError):
            self._driver.run(flow.replace_by(lambda there: there.owing(told, untold)))
        return not untold


def _left_since(record: Record | None, ended: Record) -> bool:
    return (
        record is not None and record.standing is Standing.SIGNED_OUT and record.newer_than(ended)
    )
