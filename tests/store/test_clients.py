from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.core.clients import AuthMethod, Client, Recovery, Secrets, digest
from app.store import clients

EVERYTHING = Client(
    client_id="c1",
    name="Käse & Co",
    auth_methods=frozenset({AuthMethod.BASIC, AuthMethod.POST}),
    secrets=Secrets(digest(b"first")),
    grants=frozenset({"password", "refresh_token"}),
    scope="read write",
    redirect_uris=("https://app.example.com/cb", "http://127.0.0.1/cb"),
    origins=("https://app.example.com", "https://other.example.com"),
    first_party=True,
    min_interval=30_000,
    recovery=Recovery.UNTIL_USED,
)
RESOURCE = Client(
    client_id="rs1",
    name="API",
    auth_methods=frozenset({AuthMethod.BASIC}),
    secrets=Secrets(digest(b"rs")),
    resource="https://api.example.com",
)


@pytest.fixture
def do(any_site):
    """Run a named query in a transaction of its own."""

    def run(query, *arguments):
        with any_site.run.transactions.begin() as connection:
            return query(connection, *arguments)

    return run


def test_a_client_comes_back_as_it_went_in(do):
    for client in (EVERYTHING, RESOURCE):
        do(clients.create, client, 1)
        assert do(clients.find, client.client_id) == client


@pytest.mark.parametrize("client_id", ["C1", "c1 ", "", "' OR 1=1 --", "%"])
def test_another_id_finds_nobody(do, client_id):
    do(clients.create, EVERYTHING, 1)
    assert do(clients.find, client_id) is None


@pytest.mark.clause("rfc6749-2.2-01")
def test_an_id_and_a_resource_belong_to_one_client(do):
    do(clients.create, RESOURCE, 1)
    with pytest.raises(IntegrityError):
        do(clients.create, replace(EVERYTHING, client_id="rs1"), 2)
    with pytest.raises(IntegrityError):
        do(clients.create, replace(RESOURCE, client_id="rs2"), 2)


def test_many_clients_have_no_resource(do):
    do(clients.create, EVERYTHING, 1)
    do(clients.create, replace(EVERYTHING, client_id="c2"), 1)
    assert len(do(clients.everybody)) == 2


def test_everybody_is_listed_oldest_first(do):
    do(clients.create, replace(EVERYTHING, client_id="young"), 3)
    do(clients.create, replace(EVERYTHING, client_id="b"), 1)
    do(clients.create, replace(EVERYTHING, client_id="a"), 1)
    assert [client.client_id for client in do(clients.everybody)] == ["a", "b", "young"]


def test_origins_and_resources_are_those_of_enabled_clients(do):
    do(clients.create, EVERYTHING, 1)
    shared = replace(EVERYTHING, client_id="c2", origins=("https://other.example.com",))
    do(clients.create, shared, 1)
    do(clients.create, RESOURCE, 1)
    do(clients.create, replace(RESOURCE, client_id="rs2", resource="urn:example:api"), 1)
    assert do(clients.has_origin, "https://app.example.com")
    assert do(clients.has_resource, "urn:example:api")
    do(clients.disable, "c1", 2)
    do(clients.disable, "rs2", 2)
    assert not do(clients.has_origin, "https://app.example.com")
    assert do(clients.has_origin, "https://other.example.com")
    assert not do(clients.has_resource, "urn:example:api")
    assert do(clients.has_resource, "https://api.example.com")


@pytest.mark.parametrize(
    "other",
    [
        "https://APP.example.com",
        "https://app_example.com",
        "https://app.example.co",
        "ttps://app.example.com",
        "https://app.example.com https://other.example.com",
        "%",
        "_",
        " ",
        "",
    ],
)
def test_an_origin_or_resource_is_compared_whole_and_exactly_on_both_databases(do, other):
    do(clients.create, EVERYTHING, 1)
    do(clients.create, replace(RESOURCE, resource="https://app.example.com"), 1)
    assert not do(clients.has_origin, other)
    assert not do(clients.has_resource, other)


def test_what_enabled_clients_may_have_is_what_is_announced(do):
    do(clients.create, EVERYTHING, 1)
    do(clients.create, replace(EVERYTHING, client_id="c2", scope="admin", grants=frozenset()), 1)
    assert do(clients.scopes) == ["admin", "read", "write"]
    assert do(clients.granted_to_somebody, "password")
    for other in ("PASSWORD", "pass", "refresh", "password refresh_token", "", "%"):
        assert not do(clients.granted_to_somebody, other), other
    do(clients.disable, "c1", 2)
    assert do(clients.scopes) == ["admin"]
    assert not do(clients.granted_to_somebody, "password")


@pytest.mark.clause("rfc6819-5.1.4.1.3-01")
def test_two_secrets_overlap_and_only_their_digests_are_kept(do):
    do(clients.create, EVERYTHING, 1)
    do(clients.replace_secret, EVERYTHING, digest(b"second"), 1_000)
    secrets = do(clients.find, "c1").secrets
    assert secrets == Secrets(digest(b"second"), digest(b"first"), 1_000)
    do(clients.replace_secret, do(clients.find, "c1"), digest(b"third"), 2_000)
    secrets = do(clients.find, "c1").secrets
    assert secrets == Secrets(digest(b"third"), digest(b"second"), 2_000)
    assert do(clients.find, "c1") == replace(EVERYTHING, secrets=secrets), "nothing else moved"


def test_a_client_is_disabled_once(do):
    do(clients.create, EVERYTHING, 1)
    do(clients.create, replace(EVERYTHING, client_id="c2"), 1)
    do(clients.disable, "c1", 5)
    do(clients.disable, "c1", 9)
    assert do(clients.find, "c1").disabled
    assert not do(clients.find, "c2").disabled
    query = text("SELECT disabled_at FROM clients WHERE client_id = 'c1'")
    assert do(lambda connection: connection.execute(query).scalar_one()) == 5
