"""Client authentication: two ways to prove a secret, one answer to whoever cannot."""

from base64 import b64encode

import pytest

from app.core.clients import AuthMethod, digest
from app.features.clients import use_case as clients
from app.store import clients as rows
from tests.protocol.expect import (
    ENDPOINTS,
    REVOKE,
    TOKEN,
    credentials,
    everything,
    never_cached,
    raw_basic,
    refused,
    wire,
)

ASK = {"grant_type": "client_credentials", "token": "x"}
MINUTE = 60


def by_basic(site, client_id, secret, path=TOKEN):
    return site.post(path, ASK, headers=raw_basic(f"{client_id}:{secret}".encode()))


def by_body(site, client_id, secret, path=TOKEN):
    return site.post(path, {**ASK, "client_id": client_id, "client_secret": secret})


def machine(site, **wish):
    return site.client("client_credentials", **wish)


def set_secret(site, client, secret: str) -> None:
    with site.run.transactions.begin() as connection:
        rows.replace_secret(connection, client.client, digest(secret.encode()), 0)
    site.clock.advance(seconds=5)


@pytest.mark.clause(
    "rfc6749-2.3.1-01", "rfc6749-2.3.1-03", "rfc6749-2.3-02", "draft-oauth-v2-1-2.4.1-01"
)
@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("way", [by_basic, by_body])
def test_a_secret_is_taken_by_basic_or_in_the_body(any_site, path, way):
    client = machine(any_site)
    assert way(any_site, client.client.client_id, client.secret, path).status_code == 200


@pytest.mark.clause("rfc6749-5.2-04", "rfc6749-5.2-05", "rfc6749-5.2-06", "rfc7009-2.1-04")
@pytest.mark.clause("rfc7662-2.1-05", "rfc7662-2.3-01", "asvs5-v10-10.4.10-01", "rfc6749-10.2-01")
@pytest.mark.parametrize("path", ENDPOINTS)
def test_whoever_fails_to_authenticate_gets_the_same_octets(site, path):
    right, other = machine(site), machine(site)
    disabled = machine(site)
    clients.disable(site.run, disabled.client)
    only_post = machine(site, auth_method=AuthMethod.POST)
    only_basic = machine(site, auth_method=AuthMethod.BASIC)
    public = site.client("refresh_token", public=True)
    name = right.client.client_id
    answers = {
        "unknown": by_basic(site, "0" * 24, "x", path),
        "unknown in the body": by_body(site, "0" * 24, "x", path),
        "an endless id": by_basic(site, "x" * 5_000, "x", path),
        "wrong secret": by_basic(site, name, "x", path),
        "wrong secret in the body": by_body(site, name, "x", path),
        "somebody else's secret": by_basic(site, name, other.secret, path),
        "half a secret": by_basic(site, name, right.secret[:-1], path),
        "not ASCII": by_basic(site, name, "é€", path),
        "not ASCII in the body": by_body(site, name, "é€\U0001f600", path),
        "disabled": by_basic(site, disabled.client.client_id, disabled.secret, path),
        "basic not registered": by_basic(site, only_post.client.client_id, only_post.secret, path),
        "body not registered": by_body(site, only_basic.client.client_id, only_basic.secret, path),
        "public with a secret": by_basic(site, public.client.client_id, "x", path),
        "only a name": site.post(path, {**ASK, "client_id": name}),
        "an empty secret": by_basic(site, name, "", path),
        "an empty secret in the body": by_body(site, name, "", path),
        "nobody": site.post(path, ASK),
    }
    for case, answer in answers.items():
        assert wire(answer) == wire(answers["unknown"]), case
    refused(answers["unknown"], "invalid_client", status=401)
    challenge = answers["unknown"].headers.getlist("WWW-Authenticate")
    assert challenge == ['Basic realm="perennial", charset="UTF-8"']


UNREADABLE = [
    "Basic",
    "Basic ",
    "Basic  ",
    "Basic !!!!",
    "Basic YQ",
    "Basic " + b64encode(b"\xff\xfe:x").decode(),
    "Basic " + b64encode(b"a:\xff\xfe").decode(),
    "Basic " + b64encode(b"no-colon").decode(),
    "Basic " + b64encode(b":secret").decode(),
    "Basic " + b64encode(b":").decode(),
    "Basic " + b64encode(b"").decode(),
    "Basic " + b64encode(b"%ff:x").decode(),
    "Basic " + b64encode(b"a\0b:x").decode(),
    "Basic " + b64encode(b"a%00b:x").decode(),
    "Basic " + b64encode(b"a:%00").decode(),
    "Basic " + b64encode(b"%ED%A0%80:x").decode(),
    "Basic " + b64encode(b"%zz:%").decode(),
    "Basic " + b64encode(b"x" * 20_000).decode(),
    "Basic caf\xe9",
    "Basic a b c",
    "Bearer abc",
    "Digest username=x",
    "Negotiate",
    "MAC id=x",
    "",
    " ",
    "YTpi",
]


@pytest.mark.clause("rfc6749-5.2-04", "rfc6749-5.2-05", "rfc6749-5.2-06")
@pytest.mark.parametrize("path", ENDPOINTS)
def test_an_authorization_header_that_cannot_be_read_is_401(any_site, path):
    statuses = {}
    for value in UNREADABLE:
        answer = any_site.post(path, ASK, headers={"Authorization": value})
        statuses[value] = (answer.status_code, answer.json["error"])
    assert statuses == dict.fromkeys(UNREADABLE, (401, "invalid_client"))


@pytest.mark.clause("rfc6749-5.2-05", "rfc6749-5.2-06")
@pytest.mark.parametrize("value", ["Basic !!!!", "Bearer abc", ""])
def test_a_401_names_the_scheme_and_its_realm(standing, value):
    answer = standing.post(TOKEN, ASK, headers={"Authorization": value})
    refused(answer, "invalid_client", status=401)
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="perennial", charset="UTF-8"'


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "Basic "])
def test_the_scheme_is_compared_without_regard_to_case(standing, scheme):
    client = machine(standing)
    _, _, pair = credentials(client)["Authorization"].partition(" ")
    answer = standing.post(TOKEN, ASK, headers={"Authorization": f"{scheme} {pair}"})
    assert answer.status_code == 200


@pytest.mark.clause("rfc6749-2.3.1-02")
@pytest.mark.parametrize(
    ("secret", "sent"),
    [
        ("a b", b"a+b"),
        ("a b", b"a%20b"),
        ("a+b", b"a%2Bb"),
        ("100%", b"100%25"),
        ("a:b", b"a:b"),
        ("a:b", b"a%3ab"),
        ("p\xe4ss\u20ac", "p\xe4ss\u20ac".encode()),
        ("p\xe4ss\u20ac", b"p%C3%A4ss%E2%82%AC"),
    ],
)
def test_basic_credentials_are_form_decoded(standing, secret, sent):
    client = machine(standing)
    set_secret(standing, client, secret)
    name = client.client.client_id.encode()
    assert standing.post(TOKEN, ASK, headers=raw_basic(name + b":" + sent)).status_code == 200


@pytest.mark.clause("rfc6749-2.3.1-02")
def test_the_client_id_is_form_decoded_too(site):
    client = machine(site)
    encoded = "".join(f"%{ord(character):02x}" for character in client.client.client_id)
    assert by_basic(site, encoded, client.secret).status_code == 200


@pytest.mark.clause("rfc6749-2.3.1-02")
def test_a_plus_sign_in_a_secret_must_be_encoded(site):
    client = machine(site)
    set_secret(site, client, "a+b")
    assert by_basic(site, client.client.client_id, "a+b").status_code == 401
    assert by_body(site, client.client.client_id, "a+b").status_code == 200


@pytest.mark.clause("rfc6749-5.2-03", "rfc6749-2.3-03", "rfc6749-5.2-02")
@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("secret", ["right", "wrong"])
def test_a_secret_in_header_and_body_is_malformed(standing, path, secret):
    client = machine(standing)
    sent = client.secret if secret == "right" else "x"
    answer = standing.post(path, {**ASK, "client_secret": sent}, client)
    refused(answer, "invalid_request")


@pytest.mark.clause("rfc6749-5.2-03", "rfc6749-2.3-03")
@pytest.mark.parametrize("first", ["basic", "body"])
def test_a_secret_beside_an_assertion_is_malformed(standing, first):
    client = machine(standing)
    asked = {
        **ASK,
        "client_assertion": "a.b.c",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    if first == "body":
        asked |= {"client_id": client.client.client_id, "client_secret": client.secret}
    refused(standing.post(TOKEN, asked, client if first == "basic" else None), "invalid_request")


@pytest.mark.clause("rfc6749-5.2-04")
def test_an_assertion_alone_is_a_method_that_is_not_supported(site):
    asked = {**ASK, "client_id": machine(site).client.client_id, "client_assertion": "a.b.c"}
    refused(site.post(TOKEN, asked), "invalid_client", status=401)


@pytest.mark.clause("rfc6749-5.2-02")
def test_two_names_for_one_client_are_malformed_and_one_name_twice_is_not(site):
    client, other = machine(site), machine(site)
    differing = {**ASK, "client_id": other.client.client_id}
    refused(site.post(TOKEN, differing, client), "invalid_request")
    same = {**ASK, "client_id": client.client.client_id}
    assert site.post(TOKEN, same, client).status_code == 200


@pytest.mark.clause("rfc7009-2.1-05", "rfc6749-2.2-02")
def test_a_public_client_says_its_name_in_the_body_or_by_basic_with_an_empty_password(site):
    public = site.client("refresh_token", public=True)
    name = public.client.client_id
    assert site.post(REVOKE, {"token": "x", "client_id": name}).status_code == 200
    assert by_basic(site, name, "", REVOKE).status_code == 200


@pytest.mark.clause("rfc6749-2.3.1-07", "rfc6749-10.10-01", "rfc7009-5-01")
@pytest.mark.parametrize("path", ENDPOINTS)
def test_guessing_a_secret_is_slowed_down_and_the_right_one_is_not(site, path):
    client, other = machine(site), machine(site)
    name = client.client.client_id
    for _ in range(30):
        assert by_basic(site, name, "x", path).status_code == 401
    throttled = by_basic(site, name, "x", path)
    refused(throttled, "temporarily_unavailable", status=429)
    assert 1 <= int(throttled.headers["Retry-After"]) <= MINUTE
    assert by_basic(site, name, client.secret, path).status_code == 200
    assert by_basic(site, other.client.client_id, "x", path).status_code == 401
    site.clock.advance(seconds=int(throttled.headers["Retry-After"]))
    assert by_basic(site, name, "x", path).status_code == 401


@pytest.mark.clause("rfc6819-5.2.3.6-01")
def test_a_replaced_secret_works_for_its_overlap_and_no_longer(any_site):
    old = machine(any_site)
    new = clients.rotate_secret(any_site.run, old.client, overlap=100)
    any_site.clock.advance(seconds=5)
    name = old.client.client_id
    assert by_basic(any_site, name, new.secret).status_code == 200
    assert by_basic(any_site, name, old.secret).status_code == 200
    any_site.clock.advance(seconds=94.999)
    assert by_basic(any_site, name, old.secret).status_code == 200
    any_site.clock.advance(seconds=0.001)
    assert by_basic(any_site, name, old.secret).status_code == 401
    assert by_basic(any_site, name, new.secret).status_code == 200


def test_a_disabled_client_is_refused_within_five_seconds(any_site):
    client = machine(any_site)
    name = client.client.client_id
    assert by_basic(any_site, name, client.secret).status_code == 200
    clients.disable(any_site.run, client.client)
    any_site.clock.advance(seconds=5)
    refused(by_basic(any_site, name, client.secret), "invalid_client", status=401)


@pytest.mark.clause("rfc7009-2.1-04", "rfc6749-6-04", "rfc6749-3.2.1-01")
def test_nothing_happens_for_a_client_that_is_not_authenticated(site):
    site.user()
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    before = everything(site)
    name = client.client.client_id
    for path in ENDPOINTS:
        form = {"grant_type": "refresh_token", "refresh_token": token, "token": token}
        answer = site.post(path, {**form, "client_id": name})
        refused(answer, "invalid_client", status=401)
        never_cached(answer)
    assert everything(site) == before


@pytest.mark.clause("rfc6749-2.2-01", "rfc6749-10.10-02", "rfc6749-10.10-03")
def test_ids_are_unique_and_secrets_have_256_bits(site):
    made = [machine(site) for _ in range(50)]
    assert len({client.client.client_id for client in made}) == 50
    assert len({client.secret for client in made}) == 50
    assert {len(client.secret.removeprefix("prn_cs_")) for client in made} == {43}


@pytest.mark.clause("rfc6749-10.1-01", "rfc6819-5.2.3.1-01")
def test_a_public_client_is_given_no_secret(site):
    assert site.client("refresh_token", public=True).secret is None
