"""Browser sessions that an older copy of the database has again end again."""

import pytest

from tests.features.recovery.conftest import Restored
from tests.person import SIGN_IN, SIGN_OUT, Page, Person


def signed_in(person) -> bool:
    return "Signed in" in Page(person.get(SIGN_IN).text).text


@pytest.fixture
def scene(any_site, duplicate, tmp_path):
    """Alice and Bob in their browsers, and a copy of the database from then."""
    any_site.user()
    any_site.user("bob")
    alice, bob = Person(any_site), Person(any_site, "bob")
    for person in (alice, bob):
        person.sign_in()
    copy = Restored(duplicate(any_site, "older.db"), tmp_path)
    any_site.clock.advance(seconds=1)
    return alice, bob, copy


def revived(person, copy) -> Person:
    """The same browser at the restored server, with the cookies from before."""
    copy.site.clock.now = person.site.clock() + 1000
    again = Person(copy.site, person.username)
    for name in ("perennial_session", "perennial_forms"):
        again.browser.set_cookie(f"__Host-{name}", person.cookie(name), domain="id.example.com")
    return again


def test_a_browser_that_was_signed_out_is_signed_out_again(scene, capsys):
    alice, bob, copy = scene
    hers, his = revived(alice, copy), revived(bob, copy)
    capsys.readouterr()
    alice.post(SIGN_OUT, Page(alice.get(SIGN_OUT).text).fields)
    log = capsys.readouterr().err
    assert signed_in(hers), "it lives again"
    assert copy.apply(log)["browser_sessions"] == {"applied": 1, "already": 0, "unknown": 0}
    assert not signed_in(hers)
    assert signed_in(his)
    assert copy.apply(log)["browser_sessions"] == {"applied": 0, "already": 1, "unknown": 0}


def test_signing_out_everywhere_reaches_browsers(scene, capsys):
    from app.core.sessions import EndReason
    from app.protocol.sign_out import end_everything
    from app.store import users

    alice, bob, copy = scene
    hers, his = revived(alice, copy), revived(bob, copy)
    later = Person(copy.site)
    with alice.site.run.rotations.connect() as connection:
        user = users.find_by_name(connection, "alice")
    assert user is not None
    run = alice.site.run
    capsys.readouterr()
    _, events = end_everything(run, user, EndReason.SIGN_OUT_EVERYWHERE, alice.site.clock())
    run.telemetry.publish(events)
    log = capsys.readouterr().err
    later.sign_in()
    assert signed_in(hers), "it lives again"
    assert copy.apply(log)["users"]["applied"] == 1
    assert not signed_in(hers)
    assert signed_in(later), "what began afterwards goes on"
    assert signed_in(his)
    assert copy.apply(log)["users"]["already"] == 1
