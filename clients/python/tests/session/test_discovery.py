"""Where the endpoints come from (RFC 8414), and what of it is not believed."""

import pytest

from clients.python.tests.session.world import ISSUER, answer
from perennial.errors import ConfigError, SessionError, Unreachable
from perennial.server import Endpoints


@pytest.fixture
def asked(party):
    """Every URL that a session asks for."""
    urls = []

    def noting(request):
        urls.append(request.url)
        return party.server(request)

    party.transport = noting
    return urls


@pytest.mark.parametrize(
    "named", ["https://evil.example.com", f"{ISSUER}/", "https://ID.example.com", None, [ISSUER]]
)
def test_the_metadata_of_another_issuer_are_not_used(party, asked, named):
    party.server.metadata["issuer"] = named
    session = party.session(transport=party.transport)
    with pytest.raises(ConfigError) as error:
        session.sign_in_with_password("alice", "correct horse")
    assert asked == [f"{ISSUER}/.well-known/oauth-authorization-server"]
    assert not isinstance(named, str) or named in str(error.value)


def test_nor_by_a_session_that_is_there_already(party, asked):
    party.signed_in()
    party.clock.advance(900)
    party.server.metadata |= {"issuer": "https://evil.example.com"}
    with pytest.raises(ConfigError):
        party.session(transport=party.transport).token()
    assert party.server.refreshes == []
    party.server.metadata |= {"issuer": ISSUER}
    assert party.session().token() == "a1", "the session is kept"


@pytest.mark.parametrize(
    "url", ["http://id.example.com/token", "https://a@id.example.com/token", "ftp://x/", "/token"]
)
def test_no_endpoint_is_asked_that_others_can_answer_for(party, asked, url):
    party.server.metadata["token_endpoint"] = url
    with pytest.raises(ConfigError):
        party.session(transport=party.transport).sign_in_with_password("alice", "correct horse")
    assert len(asked) == 1


def test_no_password_goes_to_an_endpoint_that_was_named_in_the_clear(party, asked):
    session = party.session(
        issuer=None,
        endpoints=Endpoints("http://id.example.com/token"),
        transport=party.transport,
    )
    with pytest.raises(ConfigError):
        session.sign_in_with_password("alice", "correct horse")
    assert asked == []


def test_no_browser_is_sent_where_others_can_read_along(party):
    party.server.metadata["authorization_endpoint"] = "http://id.example.com/authorize"
    with pytest.raises(ConfigError):
        party.session().authorization_request("http://127.0.0.1/cb")


def test_the_well_known_part_goes_between_host_and_path(party):
    urls = []

    def here(request):
        urls.append(request.url)
        return answer(party.server.metadata | {"issuer": f"{ISSUER}/tenant"})

    party.session(issuer=f"{ISSUER}/tenant", transport=here).server.endpoints()
    assert urls == [f"{ISSUER}/.well-known/oauth-authorization-server/tenant"]


@pytest.mark.parametrize("path", ["", "/tenant"])
@pytest.mark.parametrize("missing", [404, 410])
def test_a_server_of_openid_connect_is_found_where_that_has_its_metadata(party, path, missing):
    urls, issuer = [], f"{ISSUER}{path}"
    elsewhere = f"{issuer}/.well-known/openid-configuration"

    def here(request):
        urls.append(request.url)
        found = answer(party.server.metadata | {"issuer": issuer})
        return found if request.url == elsewhere else answer(b"not here", status=missing)

    assert party.session(issuer=issuer, transport=here).server.endpoints().token
    assert urls == [f"{ISSUER}/.well-known/oauth-authorization-server{path}", elsewhere]


def test_nor_there_are_the_metadata_of_another_issuer_used(party):
    def here(request):
        found = answer(party.server.metadata | {"issuer": "https://evil.example.com"})
        return found if "openid" in request.url else answer(b"not here", status=404)

    with pytest.raises(ConfigError, match="evil"):
        party.session(transport=here).server.endpoints()


@pytest.mark.parametrize("status", [500, 503, 429, 403])
def test_a_server_in_trouble_is_not_asked_elsewhere(party, status):
    urls = []

    def here(request):
        urls.append(request.url)
        return answer({}, status=status)

    with pytest.raises(SessionError):
        party.session(transport=here).server.endpoints()
    assert len(urls) == 1


@pytest.mark.parametrize("said", [b"<html>", b"[]", b"null", b"[" * 30_000, b""])
def test_what_are_no_metadata_may_be_had_later(party, said):
    def portal(request):
        return answer(said)

    with pytest.raises(Unreachable):
        party.session(transport=portal).sign_in_with_password("alice", "correct horse")
