"""Two clients that show what the scenarios are worth: one as many are, and the least that is right."""

import contextlib
import http.client
import secrets
import threading

from clients.conformance.tests.speaking import Caller


class Failed(Exception):  # noqa: N818  # one of the outcomes
    """An error of a client, by the name of its kind."""

    def __init__(self, kind, reason=None, initiator=None):
        super().__init__(kind)
        self.kind, self.reason, self.initiator = kind, reason, initiator


class Crashed(Exception):  # noqa: N818  # one of the outcomes
    """The process has ended."""


class Store:
    """What outlives a client, and is shared by siblings."""

    def __init__(self):
        self.record, self.lock, self.crash_at = None, threading.Lock(), None


class Naive:
    """Refreshes when a token has ended or is refused, and signs out when that fails. No lock, no
    second look, no repetition.
    """

    def __init__(self, url, store, clock):
        self.http, self.store, self.clock = Caller(url), store, clock
        self.record, self.ended = store.record, None

    @property
    def state(self):
        if self.ended:
            return "reauth_required"
        return "active" if self.record else "signed_out"

    def sign_in(self, user):
        self.save(self.http.sign_in(user).json)

    def logout(self):
        self.http.post("/revoke", token=self.record["refresh_token"])
        self.record = self.store.record = None

    def call(self, path, method="GET", body=None, timeout=10):
        token = self.token(timeout)
        reply = self.http.call(path, method, body, token)
        if reply.status == 401:
            reply = self.http.call(path, method, body, self.token(timeout, refused=token))
        return reply

    def token(self, timeout, refused=None):
        if self.record is None:
            raise Failed("signed_out")
        if refused or self.clock.now() >= self.record["ends"]:
            self.refresh()
        return self.record["access_token"]

    def refresh(self):
        record = self.record or {}
        self.reach("before_send")
        try:
            reply = self.http.refresh(record.get("refresh_token", "none"))
            told = {**record, **reply.json}
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            raise self.over() from error
        if reply.status != 200:
            raise self.over()
        self.reach("after_response")
        self.save(told)
        self.reach("after_persist")

    def over(self):
        self.record, self.store.record, self.ended = None, None, "unknown"
        return Failed("reauth_required", "unknown")

    def save(self, told):
        ends = self.clock.now() + told.get("expires_in", 3600)
        self.record = self.store.record = {**told, "ends": ends}
        self.ended = None

    def reach(self, point):
        if self.store.crash_at == point:
            self.store.crash_at = None
            raise Crashed


class Careful(Naive):
    """One lock around reading, deciding, sending and saving; a key for each token, written down
    before it is sent; and the same request again until there is an answer.
    """

    away = False

    @property
    def state(self):
        with self.store.lock:
            record = self.store.record
        if record is None:
            return "signed_out"
        if "reason" in record:
            return "reauth_required"
        return "offline" if self.away else "active"

    def sign_in(self, user):
        told = self.http.sign_in(user).json
        with self.store.lock:
            self.save(told)

    def logout(self):
        with self.store.lock:
            record, self.store.record = self.store.record, None
        with contextlib.suppress(OSError):
            self.http.post("/revoke", token=record["refresh_token"])

    def token(self, timeout, refused=None):
        with self.store.lock:
            self.record = self.store.record
            if self.record is None:
                raise Failed("signed_out")
            if "reason" in self.record:
                raise Failed("reauth_required", self.record["reason"])
            spent = self.clock.now() >= self.record["ends"]
            if spent or refused == self.record["access_token"]:
                self.refresh(self.clock.now() + timeout)
            return self.record["access_token"]

    def refresh(self, deadline):
        self.reach("before_send")
        self.record = {"key": secrets.token_hex(16), **self.record}
        self.store.record = self.record
        self.reach("after_commit_of_intent")
        for attempt in range(100):
            kind, wait = self.ask(min(0.5 * 2**attempt, 30))
            self.away = kind is not None
            if not self.away:
                return
            if kind == "config" or self.clock.now() + wait > deadline:
                raise Failed(kind)
            self.clock.advance(wait)

    def ask(self, wait):
        """None when it went well, or the kind of error and how long to wait."""
        try:
            reply = self.http.refresh(self.record["refresh_token"], self.record["key"])
            told = reply.json
        except (OSError, http.client.HTTPException):
            return "offline", wait
        except (ValueError, KeyError, AttributeError):
            return "protocol", wait
        if reply.status == 200 and told.get("token_type") == "Bearer" and "access_token" in told:
            self.reach("after_response")
            self.save({**self.record, **told})
            self.reach("after_persist")
            return None, 0
        return self.refused(reply, told, wait)

    def refused(self, reply, told, wait):
        error = told.get("error")
        if error == "invalid_grant":
            reason = told.get("reason", "unknown")
            self.store.record = {**self.record, "reason": reason}
            raise Failed("reauth_required", reason)
        if error == "temporarily_unavailable" or reply.status >= 500:
            return "server_busy", float(reply.headers.get("Retry-After", wait))
        return ("config", 0) if error else ("protocol", wait)

    def save(self, told):
        super().save({name: value for name, value in told.items() if name != "key"})
