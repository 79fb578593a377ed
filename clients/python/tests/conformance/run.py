"""Performs the steps of a scenario (clients/conformance/README.md) with real sessions."""

import logging
import threading
import time
from contextlib import contextmanager

from clients.conformance.tests.runner import UNTOUCHED, WELL, compare, within
from clients.conformance.tests.speaking import Caller
from clients.python.tests.conformance.application import PASSWORD
from clients.python.tests.conformance.passing import PassingClock, eventually
from clients.python.tests.conformance.shelf import Shelf
from perennial.errors import SignedOut

SECRETS = ("cft_", PASSWORD)


class Run:
    def __init__(self, server, make, scenario, folder):
        self.server, self.make, self.scenario = server, make, scenario
        self.clock = PassingClock()
        mine = Shelf(folder / "app.json")
        self.stores = {"app": mine, "sibling": mine, "other": Shelf(folder / "other.json")}
        self.applications, self.all, self.begun = {}, [], {}

    def perform(self):
        self.server.reset(**self.scenario.get("server", {}))
        with self._listening():
            try:
                for step in self.scenario["steps"]:
                    getattr(self, step["do"])(**{k: v for k, v in step.items() if k != "do"})
            finally:
                for each in self.all:
                    each.end()
            self.expect_no_secrets()
        forbidden = set(UNTOUCHED) - set(self.scenario.get("allows", ()))
        self.expect_log(dict.fromkeys(forbidden, 0))

    @contextmanager
    def _listening(self):
        """Every word that anybody logs."""
        self.logged = []
        handler, root = logging.Handler(), logging.getLogger()
        handler.emit = lambda record: self.logged.append(handler.format(record))
        before = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)
            root.setLevel(before)

    def application(self, by):
        if by not in self.applications:
            self._launch(by)
        return self.applications[by]

    def _launch(self, by):
        made = self.make(
            self.server.url, self.stores[by], self.clock, self.scenario.get("client", {})
        )
        self.applications[by] = made
        self.all.append(made)

    # --- what people and applications do ----------------------------------------------------------

    def sign_in(self, by="app", user="ana", expect=None):
        found = self.application(by).sign_in(user)
        assert found == (expect or {}), found

    def adopt(self, by="app", user="ana", expect=None):
        told = Caller(self.server.url).sign_in(user).json
        application = self.application(by)
        assert application.attempt(application.session.adopt, told) == (expect or {})

    def call(self, *, by="app", times=1, background=None, expect=WELL, **how):
        calls = self.application(by).begin(times, **how)
        if background:
            self.begun[background] = by, calls
        else:
            compare(calls, expect)

    def join(self, of, expect=WELL):
        compare(self.begun.pop(of)[1], expect)

    def cancel(self, of):
        by, calls = self.begun[of]
        self.application(by).cancel(calls)

    def logout(self, by="app", expect=None):
        """Here in 3 seconds; the server may take longer to hear of it."""
        application = self.application(by)
        found = []
        leaving = threading.Thread(
            target=lambda: found.append(application.attempt(application.session.logout))
        )
        began = time.monotonic()
        leaving.start()
        eventually(lambda: self._is(application, "signed_out"), 3)
        leaving.join(30 - (time.monotonic() - began))
        assert found in ([{}], [True]) if expect is None else found == [expect], found

    def wake(self, by="app"):
        session = self.application(by).session
        session.wake()
        session.close()

    def relaunch(self, by="app"):
        self.application(by).drop()
        self._launch(by)

    # --- what befalls them ------------------------------------------------------------------------

    def crash_at(self, point, by="app"):
        self.application(by).crash_at = point

    def store(self, condition, by="app"):
        self.application(by).store.become(condition)

    def advance(self, seconds):
        self.server.advance_clock(seconds)
        self.clock.ahead += seconds

    def advance_client(self, seconds):
        self.clock.set_by += seconds

    def advance_server(self, seconds):
        self.server.advance_clock(seconds)

    def fault(self, fault, **options):
        self.server.fault(fault, **options)

    def control(self, operation, **how):
        assert getattr(self.server, operation)(**how.get("with", {})) is not False

    def go_offline(self):
        self.server.offline()

    def go_online(self):
        self.server.online()

    # --- what must be so --------------------------------------------------------------------------

    def expect_state(self, state, by="app", reason=None, initiator=None):
        application = self.application(by)
        eventually(lambda: self._is(application, *([state] if isinstance(state, str) else state)))
        if reason is not None:
            assert application.session.reason == reason
        if initiator is not None:
            eventually(lambda: self._was_ended_by(application, initiator))

    def _is(self, application, *states):
        assert application.session.state.value in states, application.session.state

    def _was_ended_by(self, application, initiator):
        try:
            application.session.token(5)
        except SignedOut as error:
            assert error.initiator == initiator  # noqa: PT017  # of this error alone

    def expect_events(self, by="app", include=(), exclude=()):
        application = self.application(by)

        def told():
            names = {event.name for event in application.events}
            assert set(include) <= names, names
            assert not set(exclude) & names, names

        eventually(told)

    def expect_log(self, counts):
        def fits():
            found = self.server.log()["counts"]
            wrong = {
                name: found[name]
                for name, limit in counts.items()
                if not within(found[name], limit)
            }
            assert not wrong, wrong

        eventually(fits)

    def expect_prompts(self, prompts, by="app"):
        assert {name: self.application(by).prompts[name] for name in prompts} == prompts

    def expect_no_secrets(self):
        words = [*self.logged, *(word for each in self.all for word in each.words())]
        told = [word for word in words for secret in SECRETS if secret in word]
        assert not told, told
