"""A start says when the signing key has signed for long enough."""

from app.core.events import KeyRotationDue


def test_a_start_says_when_the_key_is_due_and_not_before(make_site):
    site = make_site(key_rotation_interval=1_000)
    active = site.run.signer().kid
    site.clock.advance(seconds=999)
    assert site.run.ceremony().establish(site.clock()) == ()
    site.clock.advance(seconds=1)
    assert site.run.ceremony().establish(site.clock()) == (KeyRotationDue(active),)
