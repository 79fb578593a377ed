"""Status lists: indices nobody can guess and none twice, and bits as the draft packs them."""

import base64
import itertools
import json
import zlib

import pytest

from app.core import status_list
from app.core.status_list import LONGEST_STEP, SIZE, Pace, blank, claims, encoded, mark, place

KEY = bytes(range(32))
NOW = 1_800_000_007_900
URI = "https://id.example.com/oauth/status/1"


def decoded(lst: str) -> bytes:
    return zlib.decompress(base64.urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))


def test_every_number_has_a_place_of_its_own():
    places = [place(KEY, number) for number in range(SIZE)]
    assert len(set(places)) == SIZE
    assert (min(places), max(places)) == (0, SIZE - 1)


def test_places_do_not_show_the_order():
    """Neighbours are as far from each other as chance puts them: a third of the list on average."""
    places = [place(KEY, number) for number in range(4000)]
    steps = [abs(one - other) for one, other in itertools.pairwise(places)]
    assert sum(steps) / len(steps) == pytest.approx(SIZE / 3, rel=0.05)
    for bit in range(status_list.INDEX_BITS):
        share = sum(one >> bit & 1 for one in places) / len(places)
        assert share == pytest.approx(0.5, abs=0.05)


def test_another_key_is_another_order():
    other = bytes(32)
    same = sum(place(KEY, number) == place(other, number) for number in range(2000))
    assert same < 5


@pytest.mark.parametrize("number", [-1, SIZE])
def test_a_full_list_has_no_further_place(number):
    with pytest.raises(ValueError, match="131072"):
        place(KEY, number)


def test_bits_are_packed_as_in_the_example_of_the_draft():
    """Section 4.1: the statuses 1 0 0 1 1 1 0 1, 1 1 0 0 0 1 0 1 are the octets B9 A3."""
    bits = bytearray(2)
    mark(bits, [0, 3, 4, 5, 7, 8, 9, 13, 15])
    assert bits == b"\xb9\xa3"
    assert encoded(bytes(bits)) == "eNrbuRgAAhcBXQ"


def test_a_list_is_zlib_of_the_highest_level_without_padding():
    bits = blank()
    mark(bits, [0, 77, SIZE - 1])
    lst = encoded(bytes(bits))
    assert decoded(lst) == bytes(bits)
    assert len(bits) == SIZE // 8
    assert "=" not in lst
    assert base64.urlsafe_b64decode(lst + "==")[:2] == b"\x78\xda"


def test_marks_are_never_taken_away():
    bits = blank()
    mark(bits, [5])
    mark(bits, [5, 6])
    assert bits[0] == 0b0110_0000


@pytest.mark.parametrize(
    ("wished", "access", "ttl"), [(60, 900, 60), (1, 900, 1), (3600, 900, 900), (60, 5, 5)]
)
def test_a_list_is_not_cached_for_longer_than_an_access_token_lives(wished, access, ttl):
    assert Pace.of(wished, access).ttl == ttl


@pytest.mark.parametrize("ttl", [1, 2, 3, 7, 60, 900, 86_400])
def test_whoever_fetches_may_use_the_list_for_its_whole_ttl(ttl):
    pace = Pace.of(ttl, ttl)
    for later in range(0, 2 * LONGEST_STEP * 1000, 250):
        issued, expires = pace.dates(NOW + later)
        assert issued * 1000 <= NOW + later
        assert expires * 1000 - (NOW + later) >= ttl * 1000


@pytest.mark.parametrize("ttl", [1, 2, 60, 900, 86_400])
def test_a_list_never_outlives_the_key_that_signed_it(ttl):
    """A superseded key is published for an access token's life and 30 seconds more."""
    issued, expires = Pace.of(ttl, ttl).dates(NOW)
    assert expires - issued <= ttl + 30 - 5


def test_workers_date_the_same_list_alike():
    pace = Pace.of(60, 900)
    start = pace.dates(NOW)[0] * 1000
    assert pace.dates(start) == pace.dates(start + pace.step * 1000 - 1)
    assert pace.dates(start) != pace.dates(start + pace.step * 1000)


def test_the_claims_are_those_of_the_draft():
    made = claims(URI, b"\xb9\xa3", Pace.of(60, 900), NOW)
    issued, expires = Pace.of(60, 900).dates(NOW)
    assert json.loads(json.dumps(made)) == {
        "sub": URI,
        "iat": issued,
        "exp": expires,
        "ttl": 60,
        "status_list": {"bits": 1, "lst": "eNrbuRgAAhcBXQ"},
    }


def test_a_name_is_that_of_one_list():
    assert status_list.name(0x1F) == "000000000000001f"
    assert status_list.parse("000000000000001f") == 0x1F
    assert status_list.parse(status_list.name(2**63 - 1)) == 2**63 - 1


@pytest.mark.parametrize(
    "text", ["", "1f", "000000000000001F", "00000000000000zz", "0" * 17, "8" + "0" * 15, "٣" * 16]
)
def test_any_other_name_is_no_name(text):
    assert status_list.parse(text) is None
