"""A headless Chromium, driven by the W3C WebDriver protocol: pages as people get them."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import requests

from tests.servers import Child, free_port, wait_until

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
NO_SCRIPT = {"profile.managed_default_content_settings.javascript": 2}
PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": False}
DESKTOP = 1280, 900
SECONDS = 60


class Chromium:
    """One browser with cookies of its own; without scripts unless `scripts`."""

    def __init__(
        self,
        directory: Path,
        *,
        scripts: bool = False,
        phone: bool = False,
        dark: bool = False,
        agent: str = "",
    ) -> None:
        directory.mkdir()
        port = free_port()
        self._http = requests.Session()
        self._http.trust_env = False
        self._driver = Child(
            ["chromedriver", f"--port={port}"],
            log=directory / "chromedriver.log",
            cwd=directory,
            env={"PATH": os.getenv("PATH", os.defpath), "HOME": str(directory)},
        )
        self._base = f"http://127.0.0.1:{port}"
        self._driver.until_ready(self._ready)
        options: dict[str, Any] = {
            "args": _switches(directory, agent),
            "prefs": {} if scripts else NO_SCRIPT,
        }
        wanted = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
        made = self._call("POST", "/session", {"capabilities": wanted})
        self._base += f"/session/{made['sessionId']}"
        self.appear(phone=phone, dark=dark)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._call("DELETE", "")
        finally:
            self._driver.stop()
            self._http.close()

    def _ready(self) -> bool:
        try:
            return bool(self._call("GET", "/status")["ready"])
        except requests.ConnectionError:
            return False

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = self._http.request(
            method,
            self._base + path,
            json=None if method != "POST" else dict(body or {}),
            timeout=SECONDS,
        )
        value = answer.json()["value"]
        assert answer.ok, value
        return value

    def appear(self, *, phone: bool, dark: bool) -> None:
        """On which screen and in which colours pages are seen from now on."""
        if phone:  # a window cannot be as narrow as that
            self.command("Emulation.setDeviceMetricsOverride", **PHONE)
        else:
            self.command("Emulation.clearDeviceMetricsOverride")
        colours = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[colours])

    def command(self, name: str, **params: Any) -> Any:
        """Of the DevTools protocol."""
        return self._call("POST", "/goog/cdp/execute", {"cmd": name, "params": params})

    def run(self, script: str, *args: object) -> Any:
        """What a function body of JavaScript returns, or a promise of it brings. Pages' own scripts may
        be off, and their Content Security Policy does not bind it.
        """
        return self._call("POST", "/execute/sync", {"script": script, "args": args})

    def open(self, url: str) -> None:
        self._call("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        return str(self._call("GET", "/url"))

    @property
    def text(self) -> str:
        return str(self._call("GET", f"/element/{self._find('body')}/text"))

    def type(self, selector: str, text: str) -> None:
        self._call("POST", f"/element/{self._find(selector)}/value", {"text": text})

    def click(self, selector: str) -> None:
        """And wait until the page is another one."""
        before = self._all("html")
        self.press(selector)
        wait_until(lambda: self._all("html") not in ([], before), "another page")

    def press_twice(self, selector: str, *, latency: int) -> None:
        """As impatient people do, 100 ms apart, on a network of so many milliseconds."""
        self.command("Network.enable")
        slow = {"latency": latency, "downloadThroughput": -1, "uploadThroughput": -1}
        self.command("Network.emulateNetworkConditions", offline=False, **slow)
        place = {"type": "pointerMove", "origin": {ELEMENT: self._find(selector)}, "x": 0, "y": 0}
        click = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        steps = [place, *click, {"type": "pause", "duration": 100}, *click]
        mouse = {"type": "pointer", "id": "mouse", "actions": steps}
        self._call("POST", "/actions", {"actions": [mouse]})

    def press(self, selector: str) -> None:
        """And stay on the page."""
        self._call("POST", f"/element/{self._find(selector)}/click")

    def labels(self, selector: str) -> list[str]:
        """What a reader calls these elements, in the order of the page."""
        return [self._label(element) for element in self._all(selector)]

    def _label(self, element: str) -> str:
        return str(self._call("GET", f"/element/{element}/computedlabel"))

    def count(self, selector: str) -> int:
        return len(self._all(selector))

    def right_edges(self, selector: str) -> list[float]:
        """Where these elements end on the right, in CSS pixels."""
        found = [self._call("GET", f"/element/{each}/rect") for each in self._all(selector)]
        return [rect["x"] + rect["width"] for rect in found]

    def focused(self) -> str:
        """What a reader calls the element that has the focus."""
        (element,) = self._call("GET", "/element/active").values()
        return self._label(element)

    def press_tab(self) -> None:
        keys = [{"type": kind, "value": "\ue004"} for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "k", "actions": keys}]})

    def picture(self) -> bytes:
        """The page as PNG, with what one has to scroll to."""
        taken = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(taken["data"])

    def _all(self, selector: str) -> list[str]:
        sought = {"using": "css selector", "value": selector}
        return [found[ELEMENT] for found in self._call("POST", "/elements", sought)]

    def _find(self, selector: str) -> str:
        sought = {"using": "css selector", "value": selector}
        return str(self._call("POST", "/element", sought)[ELEMENT])


def _switches(directory: Path, agent: str) -> list[str]:
    switches = [
        "--headless=new",
        f"--window-size={DESKTOP[0]},{DESKTOP[1]}",
        f"--user-data-dir={directory / 'profile'}",
        "--disable-dev-shm-usage",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
    ]
    if agent:
        switches.append(f"--user-agent={agent}")
    if os.geteuid() == 0:  # Chromium's sandbox refuses to start as root, as in a container
        switches.append("--no-sandbox")
    return switches
