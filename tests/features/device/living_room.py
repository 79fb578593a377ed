"""A device without a keyboard, and a person who types its code elsewhere."""

from dataclasses import dataclass
from typing import Any

from werkzeug.test import TestResponse

from app.core.device import GRANT
from app.features.clients.use_case import Registered
from tests.person import SIGN_IN, Page, Person
from tests.site import ISSUER, Site

AUTHORIZATION, DEVICE = "/oauth/device_authorization", "/device"


def television(site: Site, *grants: str, **wish: Any) -> Registered:
    wanted = {"name": "Television", "public": True, **wish}
    return site.client(*(grants or (GRANT, "refresh_token")), **wanted)


@dataclass
class Codes:
    """What a device was told, and how it polls."""

    site: Site
    client: Registered
    told: dict[str, Any]

    @property
    def user_code(self) -> str:
        return self.told["user_code"]

    def poll(self, client: Registered | None = None, **more: str) -> TestResponse:
        form = {"grant_type": GRANT, "device_code": self.told["device_code"], **more}
        return self.site.token(client or self.client, **form)

    def later(self, seconds: float = 5) -> TestResponse:
        """The next poll, in time."""
        self.site.clock.advance(seconds=seconds)
        return self.poll()


def ask(site: Site, client: Registered, **form: str) -> Codes:
    answer = site.post(AUTHORIZATION, form, client)
    assert answer.status_code == 200, answer.text
    return Codes(site, client, answer.json)


def type_code(person: Person, code: str) -> TestResponse:
    """On the page, by somebody who is signed in."""
    page = Page(person.get(DEVICE).text)
    return person.post(page.action, {**page.fields, "user_code": code})


def decide(person: Person, code: str, decision: str = "allow") -> TestResponse:
    page = Page(type_code(person, code).text)
    return person.post(page.action, {**page.fields, "decision": decision})


def somebody(site: Site, name: str = "alice") -> Person:
    """Signed in."""
    site.user(name)
    person = Person(site, name)
    assert person.sign_in().location == ISSUER + SIGN_IN
    return person
