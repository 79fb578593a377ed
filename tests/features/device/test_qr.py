"""The picture of an address that a phone goes on with. `tests/browser` has a camera read it."""

import pytest

from tests.features.device.living_room import (
    DEVICE,
    ask,
    decide,
    somebody,
    television,
    type_code,
)
from tests.person import SIGN_IN, Page, Person
from tests.protocol.expect import everything


def pictured(answer) -> bool:
    page = Page(answer.text)
    drawn = bool(page.all("svg"))
    assert drawn == ("with a phone" in page.text)
    return drawn


def test_a_link_with_the_code_can_be_taken_to_a_phone(site):
    codes = ask(site, television(site))
    alice, stranger = somebody(site), Person(site)
    complete, bare = codes.told["verification_uri_complete"], codes.told["verification_uri"]
    assert pictured(alice.get(complete))
    assert not pictured(alice.get(bare))
    assert pictured(stranger.get(stranger.get(complete).location)), "before a sign-in, too"
    assert not pictured(stranger.get(stranger.get(bare).location))


@pytest.mark.parametrize("typed", ["", "BCDF", "1234-5678", "https://evil.example/"])
def test_what_is_no_code_is_not_drawn(site, typed):
    alice, stranger = somebody(site), Person(site)
    assert not pictured(alice.get(DEVICE, query_string={"user_code": typed}))
    wanted = {"for": "device", "user_code": typed}
    assert not pictured(stranger.get(SIGN_IN, query_string=wanted))


@pytest.mark.clause("rfc8628-5.1-01")
def test_the_picture_does_not_tell_whether_a_device_shows_the_code(any_site):
    codes = ask(any_site, television(any_site))
    alice = somebody(any_site)
    before = everything(any_site)
    there = alice.get(codes.told["verification_uri_complete"]).text
    assert everything(any_site) == before, "nobody looked"
    assert decide(alice, codes.user_code).status_code == 200
    assert alice.get(codes.told["verification_uri_complete"]).text == there


def test_a_code_that_was_typed_is_not_drawn(site):
    codes = ask(site, television(site))
    alice = somebody(site)
    assert not pictured(type_code(alice, codes.user_code))
    assert not pictured(type_code(alice, "BBBB-BBBB"))


def test_the_picture_needs_nothing_that_the_policy_forbids(site):
    alice = somebody(site)
    answer = alice.get(f"{DEVICE}?user_code=BCDF-GHJK")
    page = Page(answer.text)
    assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]
    assert not any("style" in attributes for _, attributes in page.tags)
    assert not page.all("img")
    assert not page.all("style")
    (box,) = [attributes for _, attributes in page.tags if attributes.get("role") == "img"]
    assert box["aria-label"]
