"""Tokens that look like ours and are not: inactive, without an error, whatever they hold."""

import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.protocol.expect import base64url, claims, everything, header, refused, unbase64url
from tests.site import ISSUER

INACTIVE = {"active": False}


@pytest.fixture(scope="module")
def stranger():
    """An RSA key that the server never had."""
    return generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def machine(site):
    """(client, a genuine token of it)"""
    client = site.client("client_credentials")
    answer = site.token(client, grant_type="client_credentials")
    return client, answer.json["access_token"]


def encoded(part) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64url(data)


def signed(key, head, body) -> str:
    message = f"{encoded(head)}.{encoded(body)}"
    return f"{message}.{base64url(key.sign(message.encode(), PKCS1v15(), SHA256()))}"


def server_key(site):
    """The private key that signs now: what only a forger inside could use."""
    return site.run.keystore.directory.load_key(site.run.signer().kid)


@pytest.mark.clause("rfc7662-4-05", "rfc7515-5.2-01", "rfc9068-4-09", "asvs5-v9-9.1.1-01")
@pytest.mark.clause("rfc8725-3.3-01", "rfc7519-7.2-01")
def test_a_token_signed_by_another_key_is_inactive(site, machine, stranger):
    client, token = machine
    assert site.introspect(client, signed(stranger, header(token), claims(token))) == INACTIVE


@pytest.mark.clause("rfc8725-3.10-02", "rfc8725-3.10-03", "asvs5-v9-9.1.3-01", "rfc9068-4-11")
def test_a_key_that_the_token_brings_along_is_not_trusted(site, machine, stranger):
    client, token = machine
    numbers = stranger.public_key().public_numbers()
    jwk = {
        "kty": "RSA",
        "n": base64url(numbers.n.to_bytes(256, "big")),
        "e": "AQAB",
        "kid": header(token)["kid"],
    }
    urls = {"jku": "https://evil.example/jwks.json", "x5u": "https://evil.example/cert.pem"}
    for more in ({"jwk": jwk}, urls, {"jwk": jwk, "kid": "unknown"}, {"jwk": jwk, "kid": None}):
        forged = signed(stranger, {**header(token), **more}, claims(token))
        assert site.introspect(client, forged) == INACTIVE


@pytest.mark.clause("rfc9068-4-10", "rfc7519-6-01", "rfc7518-3.6-01", "rfc8725-3.2-03")
@pytest.mark.clause("asvs5-v9-9.1.2-01", "rfc8725-3.1-01", "rfc7515-5.2-02")
def test_another_algorithm_is_inactive(site, machine):
    client, token = machine
    _, body, signature = token.split(".")
    for alg in ("none", "None", "NONE", "nOnE", "", None, 0, "RS384", "PS256", "rs256", "HS256"):
        head = {**header(token), "alg": alg}
        for proof in ("", signature):
            assert site.introspect(client, f"{encoded(head)}.{body}.{proof}") == INACTIVE
        forged = signed(server_key(site), head, claims(token))
        assert site.introspect(client, forged) == INACTIVE, alg


@pytest.mark.clause("rfc8725-3.1-02", "rfc8725-3.1-03", "asvs5-v9-9.1.2-02")
def test_the_public_key_is_no_mac_key(site, machine):
    client, token = machine
    public = server_key(site).public_key()
    keys = [public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)]
    keys.append(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    keys += [unbase64url(key["n"]) for key in site.http.get("/.well-known/jwks.json").json["keys"]]
    message = f"{encoded({**header(token), 'alg': 'HS256'})}.{token.split('.')[1]}"
    for key in keys:
        mac = hmac.new(key, message.encode(), hashlib.sha256).digest()
        assert site.introspect(client, f"{message}.{base64url(mac)}") == INACTIVE


@pytest.mark.clause("rfc9068-4-05", "rfc8725-2.8-01", "rfc8725-3.12-01", "asvs5-v9-9.2.2-01")
def test_a_jwt_of_another_kind_is_inactive_though_we_signed_it(site, machine):
    client, token = machine
    for typ in ("JWT", "jwt", "logout+jwt", "dpop+jwt", "", None, 1, ["at+jwt"]):
        forged = signed(server_key(site), {**header(token), "typ": typ}, claims(token))
        assert site.introspect(client, forged) == INACTIVE, typ


@pytest.mark.clause("rfc9068-4-07", "rfc8725-3.8-01", "rfc7519-7.3-01")
def test_another_issuers_token_is_inactive_though_the_key_is_ours(site, machine):
    client, token = machine
    for issuer in ("https://evil.example", f"{ISSUER}/", ISSUER.upper(), None, [], [ISSUER]):
        forged = signed(server_key(site), header(token), {**claims(token), "iss": issuer})
        assert site.introspect(client, forged) == INACTIVE, issuer


def test_the_forger_of_these_tests_can_make_a_genuine_one(site, machine):
    client, token = machine
    again = signed(server_key(site), header(token), claims(token))
    assert site.introspect(client, again)["active"] is True


@pytest.mark.clause("rfc7515-4.1.11-01", "rfc7519-7.2-01")
def test_a_critical_extension_that_nobody_understands_is_inactive(site, machine):
    client, token = machine
    for crit in (["exp"], ["b64"], ["unheard_of"], [], "exp", None, [1]):
        head = {**header(token), "crit": crit, "exp": 1, "b64": False, "unheard_of": 1}
        forged = signed(server_key(site), head, claims(token))
        assert site.introspect(client, forged) == INACTIVE, crit


@pytest.mark.clause("rfc8725-3.10-01", "rfc8725-3.7-01", "rfc7515-10.12-01", "rfc7519-7.2-01")
def test_a_malformed_token_is_inactive_and_never_an_error(site, machine):
    client, token = machine
    good = header(token)
    heads = [[], "x", 1, None, {}, True, b"", b"\xff", b"{", b"[" * 9_000, b'{"alg":"RS256"}x']
    heads += [{**good, "kid": odd} for odd in ("../../etc/passwd", "' OR 1=1", "", 1, [], {}, None)]
    bodies = [claims(token), [], "x", 1, None, b"", b"\xff", b"[" * 9_000]
    before = everything(site)
    for head in heads:
        for body in bodies:
            assert site.introspect(client, f"{encoded(head)}.{encoded(body)}.AAAA") == INACTIVE
    for body in bodies[1:]:
        assert site.introspect(client, signed(server_key(site), good, body)) == INACTIVE
    assert everything(site) == before


@pytest.mark.clause("rfc7519-3-01", "rfc7515-10.12-01")
def test_another_spelling_of_a_genuine_token_is_inactive(site, machine):
    client, token = machine
    head, body, signature = token.split(".")
    for spelling in (
        f"{token}.",
        f".{token}",
        f"{token}=",
        f"{head}.{body}",
        f"{head}.{body}.",
        f"{head}..{signature}",
        f"{head}.{body}.{signature}.{signature}",
        f"{head} .{body}.{signature}",
        f"Bearer {token}",
        json.dumps({"payload": body, "protected": head, "signature": signature}),
        f"{head}.{body}.{signature}{'A' * 20_000}",
    ):
        assert site.introspect(client, spelling) == INACTIVE


@pytest.mark.clause("rfc7009-2.2-02", "rfc7515-5.2-01", "asvs5-v9-9.1.1-01")
def test_a_forged_token_denies_nobody(site, machine, stranger):
    """Revocation reads tokens with the same eyes."""
    client, token = machine
    before = everything(site)
    forged = signed(stranger, header(token), claims(token))
    assert site.revoke(client, forged).status_code == 200
    assert everything(site) == before
    assert site.introspect(client, token)["active"] is True


@pytest.mark.clause("rfc8725-2.8-01", "asvs5-v9-9.2.2-02", "rfc6749-5.2-07")
def test_an_access_token_is_no_refresh_token(site):
    site.user()
    client = site.client()
    answer = site.sign_in(client)
    refused(site.refresh(client, answer["access_token"]), "invalid_grant")
