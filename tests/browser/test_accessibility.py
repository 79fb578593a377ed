"""axe-core finds nothing on any page in any state, on a phone and a desktop, in light and dark."""

import pytest

from tests.browser.chromium import Chromium
from tests.browser.walk import walk
from tests.needs import BROWSER_MODULES

pytestmark = pytest.mark.needs("browser packages")
LOOKS = [(phone, dark) for phone in (False, True) for dark in (False, True)]
RUN = """
return axe.run().then(({violations, passes}) => ({
  passes: passes.length,
  violations: violations.flatMap(({id, help, nodes}) =>
    nodes.map(({html, failureSummary}) => [id, help, html, failureSummary])),
}))
"""


def findings(browser: Chromium) -> list[tuple[object, ...]]:
    axe = (BROWSER_MODULES / "axe-core" / "axe.min.js").read_text()
    found = browser.run(f"{axe}\n{RUN}")
    assert found["passes"] > 5, "it looked"
    return [tuple(each) for each in found["violations"]]


def test_no_page_has_a_barrier(app, television, chromium):
    browser = chromium("one", scripts=True)
    found, seen = {}, set()
    for state in walk(browser, chromium("other"), app, television):
        seen.add(state)
        for phone, dark in LOOKS:
            browser.appear(phone=phone, dark=dark)
            if barriers := findings(browser):
                found[state, phone, dark] = barriers
        browser.appear(phone=False, dark=False)
    assert found == {}
    assert len(seen) > 15


def test_a_barrier_is_found(chromium):
    browser = chromium("one", scripts=True)
    browser.open("data:text/html,<html lang=en><title>x</title><main><h1>x</h1><img src=x><input>")
    assert {"image-alt", "label"} <= {finding[0] for finding in findings(browser)}
