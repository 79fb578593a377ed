"""A person with a browser at a live server: cookies, pages read by a parser, no script."""

from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx

from tests.flows.caller import Account
from tests.person import Page

MOST_PAGES = 10
SECONDS = 30


class Surfer:
    """Follows links of the server, fills in its forms, and stops where it is sent elsewhere."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.http = httpx.Client(base_url=account.url, timeout=SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.http.close()

    def go(self, url: str, decision: str = "allow") -> str:
        """Where the server sends the browser in the end, with the answer for the client."""
        answer = self.http.get(url)
        for _ in range(MOST_PAGES):
            if answer.is_redirect:
                target = urljoin(str(answer.url), answer.headers["Location"])
                if not target.startswith(self.account.url + "/"):
                    return target
                answer = self.http.get(target)
            else:
                assert answer.status_code == 200, answer.text
                answer = self._send(Page(answer.text), decision)
        raise AssertionError(f"no end of pages: {answer.url}")

    def _send(self, page: Page, decision: str) -> httpx.Response:
        form = {**page.fields, "decision": decision}
        if "password" in page.fields:
            form |= {"username": self.account.username, "password": self.account.password}
        return self.http.post(page.action, data=form, headers={"Origin": self.account.url})


def type_code(account: Account, uri: str, code: str, decision: str = "allow") -> str:
    """What the last page says, having gone through every form."""
    with Surfer(account) as browser:
        answer = browser.http.get(uri, follow_redirects=True)
        while (page := Page(answer.text)).action:
            assert answer.status_code == 200, answer.text
            form = {**page.fields, "decision": decision}
            if "user_code" in form:
                form["user_code"] = code
            if "password" in form:
                form |= {"username": account.username, "password": account.password}
            headers = {"Origin": account.url}
            answer = browser.http.post(
                page.action, data=form, headers=headers, follow_redirects=True
            )
        return page.text
