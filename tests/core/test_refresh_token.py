"""Wire format, derivation and authenticity of refresh tokens."""

import re
from types import MappingProxyType
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import refresh_token
from app.core.refresh_token import (
    ALPHABET,
    LENGTH,
    PREFIX,
    Authenticity,
    Availability,
    RefreshToken,
    Ring,
    parse,
)
from tests.core.rings import LAST_GENERATION, single_secret

SECRET = bytes(range(32))
SALT = bytes(range(32, 64))
SID = bytes(range(64, 80))
RING = single_secret(SECRET)
CHECK_VALUE = "f10a1be94ba66690"
GOLDEN = RING.mint(1, SID, SALT, 1)

secrets = st.binary(min_size=32, max_size=32)
sids = st.binary(min_size=16, max_size=16)
generations = st.integers(min_value=1, max_value=LAST_GENERATION)


def seal(digits: str) -> str:
    """A token text with a checksum that fits."""
    signed = PREFIX + digits
    number, sealed = crc32(signed.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        sealed = ALPHABET[digit] + sealed
    return signed + sealed


def digits_of(number: int) -> str:
    text = ""
    for _ in range(58):
        number, digit = divmod(number, 62)
        text = ALPHABET[digit] + text
    return text


def test_the_format_is_pinned():
    """A change here signs everybody out: it needs a new version byte."""
    assert (
        RING.mint(1, SID, SALT, 1)
        == "prn_rt_05wgKAXu0OmUOsiK3TtHBcY01siranwuhv7ijpSb5GyjWF5ovcXhzU4gK64AOkdZ"
    )


def test_a_token_is_found_by_scanners_and_needs_no_escaping():
    assert re.fullmatch(r"prn_rt_[0-9A-Za-z]{64}", GOLDEN)
    assert seal(GOLDEN[len(PREFIX) : -6]) == GOLDEN


@given(secret=secrets, sid=sids, salt=secrets, generation=generations)
def test_what_is_minted_is_read_back_and_genuine(secret, sid, salt, generation):
    ring = single_secret(secret, secret_id=7)
    token = parse(ring.mint(7, sid, salt, generation))
    assert token is not None
    assert (token.secret_id, token.sid, token.generation) == (7, sid, generation)
    assert ring.authenticate(token, salt) is Authenticity.GENUINE


@given(sid=sids, generation=generations)
def test_one_token_string_for_each_session_and_generation(sid, generation):
    text = RING.mint(1, sid, SALT, generation)
    assert text == RING.mint(1, sid, SALT, generation)
    assert text != RING.mint(1, sid, SALT, generation - 1)


@pytest.mark.clause("rfc6749-10.4-05", "rfc6749-10.10-02", "rfc6749-10.10-03")
@given(
    place=st.integers(min_value=len(PREFIX), max_value=LENGTH - 7),
    digit=st.sampled_from(ALPHABET),
)
def test_no_digit_can_be_changed_even_with_a_repaired_checksum(place, digit):
    changed = GOLDEN[:place] + digit + GOLDEN[place + 1 : -6]
    token = parse(seal(changed[len(PREFIX) :]))
    if changed == GOLDEN[:-6] or token is None:
        return
    # A secret id beyond every known one may be on its way to this host; nothing is granted for it.
    expected = {
        Availability.HELD: Authenticity.FORGED,
        Availability.AWAITED: Authenticity.UNDECIDED,
        Availability.GONE: Authenticity.LOST,
    }[RING.availability(token.secret_id)]
    assert RING.authenticate(token, SALT) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        PREFIX,
        GOLDEN[:-1],
        seal("0" + GOLDEN[len(PREFIX) : -6]),
        GOLDEN + "0",
        " " + GOLDEN[1:],
        GOLDEN[:-1] + ("0" if GOLDEN[-1] != "0" else "1"),
        "prn_xx_" + GOLDEN[7:],
        GOLDEN[:20] + "-" + GOLDEN[21:],
        GOLDEN[:20] + "é" + GOLDEN[21:],
        GOLDEN[:20] + "٣" + GOLDEN[21:],
        GOLDEN[:-6] + "ééé000",
        seal("z" * 58),
        seal(digits_of(2**344)),
        seal(digits_of(0)),
        seal(digits_of(2 << 336)),
    ],
)
def test_r0_what_no_server_wrote_is_not_a_token(text):
    assert parse(text) is None


@given(st.text(max_size=80))
def test_r0_any_text_is_read_without_an_error(text):
    assert parse(text) is None


def test_the_largest_value_that_fits_is_read():
    token = parse(seal(digits_of((1 << 336) + 2**336 - 1)))
    assert token == RefreshToken(255, b"\xff" * 16, LAST_GENERATION, b"\xff" * 20)


def test_neither_leak_alone_makes_a_token_genuine():
    token = parse(GOLDEN)
    assert single_secret(b"n" * 32).authenticate(token, SALT) is Authenticity.FORGED
    assert RING.authenticate(token, b"n" * 32) is Authenticity.FORGED


def ring(held, awaited, newest, active=1) -> Ring:
    return Ring(MappingProxyType(dict.fromkeys(held, SECRET)), active, frozenset(awaited), newest)


@pytest.mark.parametrize(
    ("secret_id", "availability", "authenticity"),
    [
        (1, Availability.HELD, Authenticity.GENUINE),
        (2, Availability.AWAITED, Authenticity.UNDECIDED),
        (3, Availability.GONE, Authenticity.LOST),
        (4, Availability.AWAITED, Authenticity.UNDECIDED),
    ],
)
def test_a_secret_is_held_awaited_or_gone(secret_id, availability, authenticity):
    """1 is here, 2 is known to the database, 3 is retired, 4 is newer than the database knows."""
    ours = ring({1}, {1, 2}, newest=3)
    assert ours.availability(secret_id) is availability
    everywhere = ring({1, 2, 3, 4}, {1, 2, 3, 4}, newest=4)
    token = parse(everywhere.mint(secret_id, SID, SALT, 9))
    assert ours.authenticate(token, SALT) is authenticity


def test_secrets_show_in_no_repr():
    assert repr(SECRET)[2:20] not in repr(RING)


def test_a_check_value_tells_secrets_apart():
    assert refresh_token.check_value(SECRET) == refresh_token.check_value(SECRET)
    assert refresh_token.check_value(SECRET) != refresh_token.check_value(b"n" * 32)
    assert refresh_token.check_value(SECRET).hex() == CHECK_VALUE
