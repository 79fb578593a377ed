"""/account/sessions as a person uses it: what it lists, and its buttons by the name a reader says."""

from html.parser import HTMLParser
from typing import Any

from werkzeug.test import TestResponse

from tests.person import Person

SESSIONS = "/account/sessions"


class Account(HTMLParser):
    """`buttons` leads from a button's name to what its form sends; `items` are texts of the list."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.buttons: dict[str, dict[str, str]] = {}
        self.items: list[str] = []
        self._fields: dict[str, str] = {}
        self._depth = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._fields = {}
        if tag == "input":
            self._fields[found["name"]] = found["value"]
        if tag == "button":
            assert found["aria-label"] not in self.buttons, "two buttons of one name"
            self.buttons[found["aria-label"]] = self._fields | {found["name"]: found["value"]}
        if tag == "li":
            self.items.append("")
            self._depth += 1

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "li"

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.items[-1] = " ".join((self.items[-1] + " " + data).split())

    def item(self, *words: str) -> str:
        """The one item of the lists in which all of this is said."""
        (only,) = [item for item in self.items if all(word in item for word in words)]
        return only

    def form(self, *words: str) -> dict[str, str]:
        """What the one button with this name sends."""
        (only,) = [form for name, form in self.buttons.items() if all(w in name for w in words)]
        return only


def account(person: Person) -> Account:
    answer = person.get(SESSIONS)
    assert answer.status_code == 200, answer.text
    return Account(answer.text)


def press(person: Person, *words: str, **more: Any) -> TestResponse:
    """The button whose name has these words."""
    return person.post(SESSIONS, account(person).form(*words), **more)


def stale(answer: TestResponse) -> bool:
    return (answer.status_code, answer.json["reason"]) == (400, "session_ended")
