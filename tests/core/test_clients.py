"""Client secrets and kinds."""

from app.core.clients import NOBODY, AuthMethod, Client, Secrets, digest

OVERLAPPING = Secrets(digest(b"new"), digest(b"old"), previous_until=1_000)


def test_the_current_secret_matches_and_no_other():
    assert Secrets(digest(b"right")).match(b"right", now=0)
    assert not Secrets(digest(b"right")).match(b"wrong", now=0)
    assert not Secrets(digest(b"right")).match("ünïcode".encode(), now=0)


def test_the_former_secret_matches_until_the_overlap_ends():
    assert OVERLAPPING.match(b"old", now=999)
    assert not OVERLAPPING.match(b"old", now=1_000)
    assert OVERLAPPING.match(b"new", now=1_000)


def test_nothing_matches_a_client_without_a_secret():
    for secret in (b"", b"none", digest(b"")):
        assert not Secrets().match(secret, now=0)
        assert not NOBODY.secrets.match(secret, now=0)


def test_digests_show_in_no_repr():
    assert repr(digest(b"new"))[2:10] not in repr(OVERLAPPING)


def test_a_public_client_is_one_that_authenticates_by_none():
    assert Client("id", "name", frozenset({AuthMethod.NONE})).public
    assert not Client("id", "name", frozenset({AuthMethod.BASIC})).public
    assert not NOBODY.public
