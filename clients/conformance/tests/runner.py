"""Performs the steps of scenarios that the clients of reference.py know. Time stands still but for
the steps, and what a client waits passes at once.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

from clients.conformance.tests.reference import Crashed, Failed, Store

UNTOUCHED = ("family_kills", "forced_sign_ins", "keys_shared", "access_as_refresh", "leaks")
WELL = {"status": 200}


class Run:
    def __init__(self, server, clock, make, scenario):
        self.server, self.clock, self.make, self.scenario = server, clock, make, scenario
        self.stores = {"app": Store(), "other": Store()}
        self.stores["sibling"] = self.stores["app"]
        self.clients, self.begun = {}, {}

    def perform(self):
        self.server.reset(**self.scenario.get("server", {}))
        for step in self.scenario["steps"]:
            getattr(self, step["do"])(**{k: v for k, v in step.items() if k != "do"})
        forbidden = set(UNTOUCHED) - set(self.scenario.get("allows", ()))
        self.expect_log(dict.fromkeys(forbidden, 0))

    def client(self, by):
        if by not in self.clients:
            self.relaunch(by)
        return self.clients[by]

    def relaunch(self, by="app"):
        self.clients[by] = self.make(self.server.url, self.stores[by], self.clock)

    def sign_in(self, by="app", user="ana"):
        self.client(by).sign_in(user)

    def logout(self, by="app"):
        self.client(by).logout()

    def wake(self, by="app"):
        """These clients do nothing of their own."""

    def crash_at(self, point, by="app"):
        self.stores[by].crash_at = point

    def call(self, *, by="app", times=1, background=None, expect=WELL, **how):
        client, pool = self.client(by), ThreadPoolExecutor(times)
        together = threading.Barrier(times)
        calls = [pool.submit(outcome, client, together, **how) for _ in range(times)]
        pool.shutdown(wait=background is None)
        if background:
            self.begun[background] = calls
        else:
            compare(calls, expect)

    def join(self, of, expect=WELL):
        compare(self.begun.pop(of), expect)

    def advance(self, seconds):
        self.clock.advance(seconds)

    def fault(self, fault, **options):
        self.server.fault(fault, **options)

    def control(self, operation, **how):
        told = getattr(self.server, operation)(**how.get("with", {}))
        assert told is not False

    def go_offline(self):
        self.server.offline()

    def go_online(self):
        self.server.online()

    def expect_state(self, state, by="app", reason=None, initiator=None):
        assert self.client(by).state in (state if isinstance(state, list) else [state])

    def expect_log(self, counts):
        found = self.server.log()["counts"]
        wrong = {
            name: found[name] for name, limit in counts.items() if not within(found[name], limit)
        }
        assert not wrong, wrong


def outcome(client, together, path="/api/echo", method="GET", timeout=10):
    together.wait(10)
    try:
        reply = client.call(path, method, timeout=timeout)
    except Failed as failed:
        return {"error": failed.kind, "reason": failed.reason}
    except Crashed:
        return {"crashed": True}
    return {"status": reply.status, "user": reply.json.get("user")}


def compare(calls, expect):
    choices = expect.get("one_of", [expect])
    for call in calls:
        found = call.result(30)
        assert any(choice.items() <= found.items() for choice in choices), (found, expect)


def within(number, limit):
    if not isinstance(limit, dict):
        return number == limit
    return limit.get("min", 0) <= number <= limit.get("max", number)
