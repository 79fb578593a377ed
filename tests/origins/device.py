"""A device of a person: a Chromium with scripts, tabs and restarts, and what its pages know."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.browser.chromium import Chromium
from tests.flows.caller import Account
from tests.servers import wait_until

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)


class Device(Chromium):
    def __init__(self, directory: Path, *, scripts: bool = True, agent: str = "") -> None:
        self._wanted: Mapping[str, Any] = {}
        super().__init__(directory, scripts=scripts, agent=agent)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        if path == "/session":
            self._wanted = body or {}
        return super()._call(method, path, body)

    def restart(self) -> None:
        """Close every window and start again with the same profile, as people do."""
        self._call("DELETE", "")
        self._base = self._base.partition("/session")[0]
        made = self._call("POST", "/session", self._wanted)
        self._base += f"/session/{made['sessionId']}"

    def run(self, script: str, *args: object) -> Any:
        """What a function body of JavaScript returns, or a promise of it brings."""
        return self._call("POST", "/execute/sync", {"script": script, "args": args})

    def until(self, script: str, *, seconds: float = 30) -> Any:
        """Poll until an expression is true."""
        return wait_until(lambda: self.run(f"return {script}"), script, seconds=seconds)

    def new_tab(self) -> str:
        """A handle to switch to."""
        return str(self._call("POST", "/window/new", {"type": "tab"})["handle"])

    @property
    def tab(self) -> str:
        return str(self._call("GET", "/window"))

    def switch(self, tab: str) -> None:
        self._call("POST", "/window", {"handle": tab})

    def sign_in(self, account: Account, *, remember: bool = False) -> None:
        """On the server's page."""
        assert urlsplit(self.url).path == "/sign-in", self.text
        self.type("#username", account.username)
        self.type("#password", account.password)
        if remember:
            self._call("POST", f"/element/{self._find('#remember_me')}/click")
        self.click("button[type=submit]")

    def allow(self) -> None:
        assert urlsplit(self.url).path == "/consent", self.text
        self.click("button[value=allow]")
