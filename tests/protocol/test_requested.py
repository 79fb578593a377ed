"""What a grant may cover: scope and resources within the client's registration."""

import pytest

from tests.protocol.expect import TOKEN, claims, refused

NOTES = "https://notes.example.com"
PHOTOS = "https://photos.example.com/v1"
ASK = ("grant_type", "client_credentials")


@pytest.fixture(scope="module")
def machine(standing):
    standing.client(resource=NOTES)
    standing.client(resource=PHOTOS)
    return standing.client("client_credentials", scope="read write notes:all")


def ask(site, client, *more: tuple[str, str]):
    return site.post(TOKEN, [ASK, *more], client)


@pytest.mark.clause("rfc6749-3.3-01", "rfc6749-3.3-02", "rfc6749-3.3-04", "rfc6749-5.1-04")
@pytest.mark.clause("rfc6749-10.3-05", "asvs5-v10-10.4.11-01", "rfc6819-5.1.5.1-01")
@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (None, "read write notes:all"),
        ("", "read write notes:all"),
        ("read", "read"),
        ("write read", "write read"),
        ("read read", "read"),
        ("notes:all", "notes:all"),
    ],
)
def test_the_scope_granted_is_the_one_asked_for_or_the_registered_one(
    standing, machine, asked, granted
):
    answer = ask(standing, machine, *([] if asked is None else [("scope", asked)]))
    assert answer.status_code == 200
    assert answer.json["scope"] == granted
    assert claims(answer.json["access_token"])["scope"] == granted


@pytest.mark.clause("rfc6749-5.2-10", "rfc6749-A-01", "asvs5-v10-10.4.11-01", "rfc9700-2.3-01")
@pytest.mark.parametrize(
    "scope",
    [
        "admin",
        "read admin",
        "READ",
        "rea",
        "read,write",
        "read  write",
        " read",
        "read ",
        " ",
        "read\twrite",
        'read"',
        "read\\",
        "r\u00e9ad",
        "read\u00a0write",
        "\U0001f600",
        "*",
        "a" * 10_000,
    ],
)
def test_a_scope_that_is_malformed_or_not_registered_is_refused(standing, machine, scope):
    refused(ask(standing, machine, ("scope", scope)), "invalid_scope")


@pytest.mark.clause("rfc6749-5.2-10")
def test_a_client_without_scope_gets_none(standing):
    client = standing.client("client_credentials", scope="")
    refused(ask(standing, client, ("scope", "read")), "invalid_scope")
    assert ask(standing, client).status_code == 200


@pytest.mark.clause("rfc8707-2-01", "rfc8707-2-02", "rfc8707-2-06", "asvs5-v9-9.2.4-02")
@pytest.mark.parametrize(
    "resource",
    [
        "https://unknown.example.com",
        "https://notes.example.com/",
        "https://NOTES.example.com",
        "http://notes.example.com",
        "https://notes.example.com:443",
        f"{NOTES}#part",
        f"{NOTES}#",
        f"{NOTES}?query",
        f"{NOTES} {PHOTOS}",
        "notes.example.com",
        "/notes",
        "//notes.example.com",
        "notes",
        "https://",
        "https://[",
        "https://[::1",
        ":",
        " ",
        "h\u00e9",
        "https://id.example.com",
        "x" * 20_000,
    ],
)
def test_a_resource_that_is_malformed_or_unknown_is_an_invalid_target(standing, machine, resource):
    refused(ask(standing, machine, ("resource", resource)), "invalid_target")
    both = ask(standing, machine, ("resource", NOTES), ("resource", resource))
    refused(both, "invalid_target")


@pytest.mark.clause("rfc8707-2-05", "rfc9068-3-01")
@pytest.mark.parametrize("resource", [NOTES, PHOTOS])
def test_a_registered_resource_becomes_the_audience(standing, machine, resource):
    token = ask(standing, machine, ("resource", resource)).json["access_token"]
    assert claims(token)["aud"] == resource


def test_a_resource_registered_later_counts_at_once(standing, machine):
    later = "urn:example:later"
    refused(ask(standing, machine, ("resource", later)), "invalid_target")
    standing.client(resource=later)
    assert ask(standing, machine, ("resource", later)).status_code == 200
