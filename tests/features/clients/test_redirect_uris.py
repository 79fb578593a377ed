"""Registering clients of the authorization endpoint."""

import pytest

from tests.console import Console

CREATE = ("client", "create", "--name", "App")
CODES = ("--grant", "authorization_code")
URI = ("--redirect-uri", "https://app.example.com/cb")


@pytest.mark.clause("rfc8252-7-01", "rfc8252-8.4-02", "rfc8252-8.5-01", "rfc6749-3.1.2.2-05")
@pytest.mark.parametrize("public", [[], ["--public"]])
def test_a_client_with_codes_is_registered_with_all_its_redirect_uris(site, public):
    run = Console(site.app)
    more = ("--redirect-uri", "http://127.0.0.1/cb", "--redirect-uri", "com.example.app:/cb")
    made = run.json(*CREATE, *CODES, *URI, *more, *public, "--require-par")
    assert ("client_secret" in made) is (not public)
    shown = run.json("client", "show", made["client_id"])
    assert shown["redirect_uris"] == [URI[1], more[1], more[3]]
    assert shown["require_par"] is True


@pytest.mark.clause("rfc6749-3.1.2.2-01", "rfc6749-3.1.2.2-03", "rfc6749-10.6-02", "rfc9700-2.6-05")
@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (CODES, "needs a --redirect-uri (rfc6749-3.1.2.2-01)"),
        ((*CODES, "--redirect-uri", "http://app.example.com/cb"), "must be https"),
        ((*CODES, "--redirect-uri", "https://*.example.com/cb"), "has a wildcard"),
        ((*CODES, "--redirect-uri", "myapp:/cb"), "rfc8252-8.4-04"),
        (("--grant", "refresh_token", "--require-par"), "with the authorization_code grant"),
    ],
)
def test_a_registration_that_would_be_unsafe_is_refused(site, wish, why):
    assert why in Console(site.app).refused(*CREATE, *wish)


@pytest.mark.clause("rfc8252-8.3-01")
def test_localhost_is_warned_about(site):
    made = Console(site.app)(*CREATE, *CODES, "--redirect-uri", "http://localhost:3000/cb")
    assert made.exit_code == 0
    assert "deviates from rfc8252-8.3-01: prefer http://127.0.0.1" in made.stderr
