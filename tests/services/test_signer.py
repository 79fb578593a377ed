"""RS256 access tokens: others verify what we sign, and nothing else verifies."""

import base64
import hashlib
import hmac
import json
import random

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import OctKey, RSAKey

from app.core.keyring import Algorithm
from app.services import signer
from app.services.algorithms import new_private_key, public_jwk, signing
from app.services.signer import LONGEST_TOKEN, Signer

PRIVATE = new_private_key()
JWK = public_jwk(PRIVATE)
KID = JWK["kid"]
KEYS = {KID: JWK}
CLAIMS = {"iss": "https://id.example.com", "sub": "ü", "aud": ["a", "b"], "exp": 2_000_000_000}
HEADER = {"alg": "RS256", "typ": "at+jwt", "kid": KID}
TOKEN = Signer(KID, Algorithm.RS256, signing(Algorithm.RS256, PRIVATE)).sign(CLAIMS)
STRANGER = new_private_key()


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value) -> str:
    return encoded(json.dumps(value).encode())


def signed(header, claims=CLAIMS, key=PRIVATE) -> str:
    """An RS256 signature over whatever header and claims; bytes are taken as they are."""
    parts = [
        part(each) if not isinstance(each, bytes) else encoded(each) for each in (header, claims)
    ]
    message = ".".join(parts)
    return f"{message}.{encoded(signing(Algorithm.RS256, key)(message.encode()))}"


@pytest.mark.clause("rfc9068-2.1-01", "rfc9068-2.1-02", "rfc9068-2.1-04", "rfc9068-2.1-06")
@pytest.mark.clause("rfc9068-2.1-07", "rfc7515-6-01", "rfc8725-3.11-01", "rfc7519-3-01")
def test_a_token_says_what_it_is_and_two_libraries_verify_it():
    assert jwt.get_unverified_header(TOKEN) == HEADER
    public = PRIVATE.public_key()
    options = {"verify_aud": False}
    assert jwt.decode(TOKEN, public, algorithms=["RS256"], options=options) == CLAIMS
    verified = joserfc_jwt.decode(TOKEN, RSAKey.import_key(dict(JWK)), algorithms=["RS256"])
    assert verified.claims == CLAIMS
    assert verified.header == HEADER
    assert signer.verify(TOKEN, KEYS) == CLAIMS


def test_each_token_is_verified_with_the_key_it_names():
    other = public_jwk(STRANGER)
    token = signed({**HEADER, "kid": other["kid"]}, key=STRANGER)
    both = {**KEYS, other["kid"]: other}
    assert signer.verify(token, both) == signer.verify(TOKEN, both) == CLAIMS
    assert signer.verify(token, KEYS) is None


@pytest.mark.clause("rfc7638-3-01", "rfc7638-3.5-01", "rfc7638-7-01")
def test_a_kid_is_the_sha_256_thumbprint_of_the_required_members():
    required = json.dumps({"e": JWK["e"], "kty": "RSA", "n": JWK["n"]}, separators=(",", ":"))
    assert encoded(hashlib.sha256(required.encode()).digest()) == KID
    for changed in ({"use": "enc"}, {"alg": "PS256"}, {"kid": "mine"}, {"key_ops": ["verify"]}):
        members = {**JWK, **changed}
        if "key_ops" in changed:
            del members["use"]
        assert RSAKey.import_key(members).thumbprint() == KID


@pytest.mark.clause("rfc7638-3.3-01", "rfc7638-7-01")
def test_the_thumbprint_is_that_of_the_example_in_rfc_7638():
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJE"
        "CPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2Q"
        "vzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6"
        "WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    key = RSAKey.import_key({"kty": "RSA", "e": "AQAB", "n": modulus})
    assert key.thumbprint() == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.clause("rfc7517-9.2-01", "rfc7517-4.1-01", "rfc7517-4.2-01", "rfc7517-4.4-01")
@pytest.mark.clause("rfc7517-9.3-01", "rfc7517-4.3-03", "rfc8725-3.1-03")
def test_what_is_published_is_the_public_half_of_a_2048_bit_key_for_one_use():
    others = {name: value for name, value in JWK.items() if name != "n"}
    assert others == {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KID, "e": "AQAB"}
    modulus = base64.urlsafe_b64decode(JWK["n"] + "==")
    assert len(modulus) == 256
    assert modulus[0] >= 0x80


# --- what must not verify -------------------------------------------------------------------------


def with_hmac(secret: bytes) -> str:
    """The classic: the public key taken for a shared secret."""
    message = f"{part({**HEADER, 'alg': 'HS256'})}.{part(CLAIMS)}"
    return f"{message}.{encoded(hmac.digest(secret, message.encode(), 'sha256'))}"


def with_none(alg: str) -> str:
    return f"{part({**HEADER, 'alg': alg})}.{part(CLAIMS)}."


PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
HEAD, BODY, SIGNATURE = TOKEN.split(".")
FORGED = {
    "changed claims": f"{HEAD}.{part({**CLAIMS, 'sub': 'root'})}.{SIGNATURE}",
    "changed header": f"{part({**HEADER, 'x': 1})}.{BODY}.{SIGNATURE}",
    "another's key under our kid": signed(HEADER, key=STRANGER),
    "signature cut": TOKEN[:-1],
    "signature missing": f"{HEAD}.{BODY}.",
    "signature of zeros": f"{HEAD}.{BODY}.{encoded(bytes(256))}",
    "alg none": with_none("none"),
    "alg None": with_none("None"),
    "alg NONE": with_none("NONE"),
    "alg none, with our signature": f"{part({**HEADER, 'alg': 'none'})}.{BODY}.{SIGNATURE}",
    "HS256 with the public PEM": with_hmac(PEM),
    "HS256 with the public PEM, stripped": with_hmac(PEM.strip()),
    "HS256 with the modulus": with_hmac(JWK["n"].encode()),
    "HS256 with nothing": with_hmac(b""),
    "HS256 by joserfc": jws.serialize_compact(
        {**HEADER, "alg": "HS256"}, json.dumps(CLAIMS), OctKey.import_key("s" * 32)
    ),
    "RS512 says the header": signed({**HEADER, "alg": "RS512"}),
    "PS256 says the header": signed({**HEADER, "alg": "PS256"}),
    "no alg": signed({"typ": "at+jwt", "kid": KID}),
    "typ JWT": signed({**HEADER, "typ": "JWT"}),
    "typ of a logout token": signed({**HEADER, "typ": "logout+jwt"}),
    "typ of a DPoP proof": signed({**HEADER, "typ": "dpop+jwt"}),
    "typ missing": signed({"alg": "RS256", "kid": KID}),
    "typ a number": signed({**HEADER, "typ": 1}),
    "kid unknown": signed({**HEADER, "kid": "nobody"}),
    "kid missing": signed({"alg": "RS256", "typ": "at+jwt"}),
    "kid null": signed({**HEADER, "kid": None}),
    "kid a list": signed({**HEADER, "kid": [KID]}),
    "kid a path": signed({**HEADER, "kid": f"../keys/{KID}"}),
    "kid an injection": signed({**HEADER, "kid": "' OR 1=1 --"}),
    "kid in another case": signed({**HEADER, "kid": KID.swapcase()}),
    "a key of its own": signed(
        {**HEADER, "kid": "mine", "jwk": public_jwk(STRANGER)}, key=STRANGER
    ),
    "a key at an address of its own": signed(
        {**HEADER, "jku": "https://evil.example.com/keys", "x5u": "https://evil.example.com"},
        key=STRANGER,
    ),
    "crit of raw claims": signed({**HEADER, "crit": ["b64"], "b64": False}),
    "crit of something unknown": signed({**HEADER, "crit": ["x"], "x": 1}),
    "claims a list": signed(HEADER, [1]),
    "claims a string": signed(HEADER, "claims"),
    "claims null": signed(HEADER, None),
    "claims a number": signed(HEADER, 1),
    "claims no JSON": signed(HEADER, b"{"),
    "claims no UTF-8": signed(HEADER, b'{"a":"\xff"}'),
    "claims empty": signed(HEADER, b""),
    "claims with something behind": signed(HEADER, b"{} {}"),
    "claims too deep": signed(HEADER, b'{"a":' * 2_000 + b"1" + b"}" * 2_000),
    "header no JSON": signed(b"{"),
    "header a list": signed([HEADER]),
    "header no UTF-8": signed(b'{"alg":"\xff"}'),
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{TOKEN}.{SIGNATURE}",
    "five parts": f"{TOKEN}..",
    "a space in front": f" {TOKEN}",
    "a space behind": f"{TOKEN} ",
    "a line end": f"{TOKEN}\n",
    "padding": f"{HEAD}=.{BODY}.{SIGNATURE}",
    "standard base64": f"{HEAD}.{BODY}.{'+/' * 171}",
    "nothing": "",
    "dots": "..",
    "not ASCII": TOKEN.replace("e", "é"),
    "a surrogate": TOKEN + "\udcff",
    "a zero byte": TOKEN + "\0",
    "oversized": signed(HEADER, {**CLAIMS, "filling": "x" * LONGEST_TOKEN}),
    "very large": "a" * 1_000_000,
    "many dots": "." * 100_000,
}


@pytest.mark.clause("rfc9068-4-05", "rfc9068-4-09", "rfc9068-4-10", "rfc9068-4-11")
@pytest.mark.clause("rfc8725-3.1-01", "rfc8725-3.2-03", "rfc8725-3.10-01", "rfc8725-3.10-03")
@pytest.mark.clause("rfc8725-3.10-02")
@pytest.mark.clause("asvs5-v9-9.1.2-01", "asvs5-v9-9.1.2-02", "asvs5-v9-9.1.3-01")
@pytest.mark.clause("rfc7515-4.1.11-01", "rfc7515-10.12-01", "rfc7519-6-01", "rfc7515-5.2-01")
@pytest.mark.clause("draft-rfc8725bis-3.14-01", "rfc8725-3.7-01", "rfc8725-2.8-01")
@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
def test_what_we_did_not_sign_as_an_access_token_is_nothing_to_us(token):
    assert signer.verify(token, KEYS) is None


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
@pytest.mark.clause("rfc7515-4.1.9-02")
def test_both_spellings_of_the_type_are_read(typ):
    assert signer.verify(signed({**HEADER, "typ": typ}), KEYS) == CLAIMS


def test_without_keys_nothing_verifies():
    assert signer.verify(TOKEN, {}) is None


def test_random_bytes_and_random_damage_are_refused_without_an_exception():
    chance = random.Random(7515)
    alphabet = [chr(code) for code in range(0x250)] + ["."] * 50
    for _ in range(2_000):
        text = "".join(chance.choices(alphabet, k=chance.randrange(200)))
        assert signer.verify(text, KEYS) is None
        raw = ".".join(encoded(chance.randbytes(chance.randrange(80))) for _ in range(3))
        assert signer.verify(raw, KEYS) is None


def test_no_single_changed_character_survives():
    chance = random.Random(7519)
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place in chance.sample(range(len(TOKEN) - 1), k=200):
        for other in chance.sample(digits, k=2):
            damaged = TOKEN[:place] + other + TOKEN[place + 1 :]
            if damaged != TOKEN:
                assert signer.verify(damaged, KEYS) is None
