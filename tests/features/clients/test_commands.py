"""`perennial client …`: what may be registered, what is refused, and what is shown of a secret."""

import re

import pytest
from sqlalchemy import text

from app.core.clients import digest
from app.core.device import GRANT
from app.protocol.grant import TokenGrant
from tests.console import Console
from tests.features.clients.registering import CREATE, authenticates, grants
from tests.site import basic

PASSWORD_CLAUSES = "rfc9700-2.4-01, asvs5-v10-10.4.4-02"


def test_a_client_gets_an_id_and_a_secret_that_work(perennial, any_site):
    made = perennial.json(*CREATE, *grants("client_credentials"), "--scope", "read")
    assert set(made) == {"client_id", "client_secret"}
    assert authenticates(any_site, made["client_id"], made["client_secret"])


@pytest.mark.parametrize("name", ["device_code", GRANT])
def test_the_grant_of_devices_has_a_short_name(quick, name):
    made = quick.json(*CREATE, *grants(name), "--public")
    assert quick.json("client", "show", made["client_id"])["grants"] == [GRANT]


def test_the_help_names_every_grant(quick):
    told = quick.done("client", "create", "--help")
    served = {grant.GRANT_TYPE for grant in TokenGrant.__subclasses__()} - {GRANT}
    for name in served | {"device_code"}:
        assert name in told


@pytest.mark.clause("rfc6749-10.10-02", "rfc6749-10.10-03", "rfc6819-5.1.4.1.3-01")
@pytest.mark.clause("rfc6749-2.2-01", "rfc7591-3.2.1-04")
def test_a_secret_has_256_bits_is_shown_once_and_kept_as_a_digest(perennial, any_site):
    made = [perennial.json(*CREATE, *grants("client_credentials")) for _ in range(5)]
    secrets = [each["client_secret"] for each in made]
    assert len(set(secrets)) == 5
    assert len({each["client_id"] for each in made}) == 5
    for secret in secrets:
        assert re.fullmatch(r"prn_cs_[A-Za-z0-9_-]{43}", secret)
    later = perennial.done("client", "list", "--json") + perennial.done("client", "list")
    for each in made:
        later += perennial.done("client", "show", each["client_id"])
        later += perennial.done("client", "show", each["client_id"], "--json")
    with any_site.run.rotations.connect() as connection:
        stored = [dict(row) for row in connection.execute(text("SELECT * FROM clients")).mappings()]
    for secret in secrets:
        assert secret not in later
        assert digest(secret.encode()).hex() not in later
        assert secret not in repr(stored)
    assert {row["secret_digest"] for row in stored} == {digest(s.encode()) for s in secrets}


def test_everything_that_was_registered_is_shown(perennial):
    options = [
        *(*grants("password", "refresh_token"), "--first-party", "--scope", "read write"),
        *("--redirect-uri", "https://app.example.com/cb?a=b", "--redirect-uri", "com.example:/cb"),
        *("--origin", "https://app.example.com", "--origin", "http://localhost:5173"),
        *("--min-rotation-interval", "60", "--recovery", "until-used"),
        *("--auth-method", "client_secret_post"),
        *("--idle-ttl", "3600", "--session-ttl", "86400"),
    ]
    made = perennial.json(*CREATE, *options)
    shown = perennial.json("client", "show", made["client_id"])
    assert shown == {
        "client_id": made["client_id"],
        "name": "App",
        "kind": "confidential",
        "auth_methods": ["client_secret_post"],
        "grants": ["password", "refresh_token"],
        "scope": "read write",
        "redirect_uris": ["https://app.example.com/cb?a=b", "com.example:/cb"],
        "origins": ["https://app.example.com", "http://localhost:5173"],
        "first_party": True,
        "require_par": False,
        "min_rotation_interval": 60,
        "recovery": "until-used",
        "resource": None,
        "status": True,
        "disabled": False,
        "idle_ttl": 3600,
        "session_ttl": 86400,
    }
    assert perennial.json("client", "list") == [shown]


def test_a_client_may_do_without_status(quick):
    made = quick.json(*CREATE, *grants("password"), "--no-status")
    assert quick.json("client", "show", made["client_id"])["status"] is False


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_an_authentication_method_has_its_registered_name(quick, method):
    made = quick.json(*CREATE, *grants("client_credentials"), "--auth-method", method)
    assert quick.json("client", "show", made["client_id"])["auth_methods"] == [method]


@pytest.mark.parametrize("recovery", ["window", "until-used"])
def test_recovery_has_the_names_of_the_manual(quick, recovery):
    made = quick.json(*CREATE, *grants("refresh_token"), "--recovery", recovery)
    assert quick.json("client", "show", made["client_id"])["recovery"] == recovery


def test_without_options_either_way_of_sending_the_secret_is_accepted(quick):
    made = quick.json(*CREATE, *grants("client_credentials"))
    shown = quick.json("client", "show", made["client_id"])
    assert shown["auth_methods"] == ["client_secret_basic", "client_secret_post"]
    assert (shown["scope"], shown["first_party"], shown["recovery"]) == ("", False, "window")


@pytest.mark.clause("rfc6749-10.1-01", "rfc6819-5.2.3.1-01", "rfc7591-3.2.1-05")
def test_a_public_client_gets_no_secret(perennial):
    made = perennial.json(*CREATE, "--public", *grants("refresh_token"))
    assert set(made) == {"client_id"}
    shown = perennial.json("client", "show", made["client_id"])
    assert (shown["kind"], shown["auth_methods"]) == ("public", ["none"])
    said = perennial.refused("client", "rotate-secret", made["client_id"])
    assert said == "a public client has no secret"


# --- the password grant ---------------------------------------------------------------------------


@pytest.mark.parametrize("more", [[], ["--public", "--first-party"]])
def test_the_password_grant_is_had_with_a_warning_that_names_what_it_breaks(quick, more):
    result = quick(*CREATE, *grants("password"), *more, "--json")
    assert result.exit_code == 0
    assert result.stderr == f"warning: the password grant deviates from {PASSWORD_CLAUSES}\n"


def test_other_grants_need_no_warning(quick):
    assert quick(*CREATE, *grants("refresh_token", "client_credentials")).stderr == ""


def test_a_public_client_of_others_may_not_ask_people_for_passwords(quick):
    said = quick.refused(*CREATE, "--public", *grants("password"))
    assert said.endswith(f"only with --first-party ({PASSWORD_CLAUSES})")


# --- refusals -------------------------------------------------------------------------------------

REFUSED = {
    "no grant": ([], "at least one --grant"),
    "public client_credentials": (
        ["--public", *grants("client_credentials")],
        "client_credentials grant (rfc6749-4.4-01)",
    ),
    "until-used on public": (
        ["--public", *grants("refresh_token"), "--recovery", "until-used"],
        "--recovery until-used needs a confidential client",
    ),
    "public with a secret": (
        ["--public", *grants("refresh_token"), "--auth-method", "client_secret_basic"],
        "a public client has no secret",
    ),
    "confidential without": (
        [*grants("refresh_token"), "--auth-method", "none"],
        "--auth-method none is for --public clients",
    ),
    "interval beyond the window": (
        [*grants("refresh_token"), "--min-rotation-interval", "61"],
        "--min-rotation-interval must lie within PERENNIAL_REUSE_GRACE (0 to 60)",
    ),
    "two spaces": ([*grants("refresh_token"), "--scope", "a  b"], "single spaces"),
    "a quote": ([*grants("refresh_token"), "--scope", 'a"b'], "--scope"),
    "a backslash": ([*grants("refresh_token"), "--scope", "a\\b"], "--scope"),
    "not ASCII": ([*grants("refresh_token"), "--scope", "é"], "--scope"),
    "a relative redirect URI": ([*grants("refresh_token"), "--redirect-uri", "/cb"], "'/cb'"),
    "a fragment": (
        [*grants("refresh_token"), "--redirect-uri", "https://a.example/#f"],
        "without fragment",
    ),
    "a space in a URI": (
        [*grants("refresh_token"), "--redirect-uri", "https://a.example/ b"],
        "no absolute URI",
    ),
}
NO_ORIGIN = [
    "https://app.example.com/",
    "https://app.example.com/path",
    "https://app.example.com?q",
    "https://user@app.example.com",
    "https://APP.example.com",
    "https://app.example.com:99999",
    "https://app.example.com:",
    "app.example.com",
    "ftp://app.example.com",
    "https://*.example.com",
    "null",
    "*",
    "",
    "https://a.example https://b.example",
]


@pytest.mark.parametrize(("options", "why"), REFUSED.values(), ids=REFUSED)
@pytest.mark.clause("rfc6749-4.4-01", "rfc6749-3.1.2-01", "rfc6749-3.1.2-02", "rfc6749-A-01")
def test_a_registration_that_cannot_be_served_is_refused_with_its_reason(quick, options, why):
    assert why in quick.refused(*CREATE, *options)
    assert quick.json("client", "list") == []


@pytest.mark.parametrize("origin", NO_ORIGIN)
def test_what_no_browser_sends_as_an_origin_is_refused(quick, origin):
    said = quick.refused(*CREATE, *grants("refresh_token"), "--origin", origin)
    assert said == f"{origin!r} is no origin (scheme://host[:port])"


@pytest.mark.parametrize("origin", ["https://[::1]:8080", "http://127.0.0.1", "https://a-b.c.de"])
def test_an_origin_is_kept_as_a_browser_sends_it(quick, origin):
    made = quick.json(*CREATE, *grants("refresh_token"), "--origin", origin)
    assert quick.json("client", "show", made["client_id"])["origins"] == [origin]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x1b[31m", "\u202e"])
def test_a_name_that_cannot_be_shown_is_refused(quick, name):
    options = ("--name", name, *grants("refresh_token"))
    assert "name" in quick.refused("client", "create", *options)


def test_a_name_too_long_for_the_column_is_refused_on_both_databases(perennial):
    said = perennial.refused("client", "create", "--name", "x" * 256, *grants("refresh_token"))
    assert "255" in said


@pytest.mark.parametrize("grace", [0, 10, 300])
def test_the_rotation_interval_may_be_as_long_as_the_window_and_no_longer(make_site, grace):
    perennial = Console(make_site(reuse_grace=grace).app)
    command = (*CREATE, *grants("refresh_token"), "--min-rotation-interval")
    perennial.done(*command, str(grace))
    assert f"(0 to {grace})" in perennial.refused(*command, str(grace + 1))


@pytest.mark.parametrize(
    "options",
    [
        ["client", "create", *grants("password")],
        [*CREATE, *grants("implicit")],
        [*CREATE, *grants("password"), "--auth-method", "BASIC"],
        [*CREATE, *grants("password"), "--recovery", "UNTIL_USED"],
        [*CREATE, *grants("password"), "--min-rotation-interval", "-1"],
        [*CREATE, *grants("password"), "--min-rotation-interval", "1.5"],
        [*CREATE, *grants("password"), "--secret", "mine"],
        ["client", "show"],
        ["client", "rotate-secret", "x", "--overlap", "-1"],
        ["client", "remove", "x"],
        ["client"],
    ],
)
def test_a_wrong_call_is_a_usage_error(quick, options):
    assert quick(*options).exit_code == 2
    assert quick.json("client", "list") == []


# --- resource servers -----------------------------------------------------------------------------


def test_a_resource_server_is_registered_and_introspects_what_is_meant_for_it(perennial, any_site):
    site = any_site
    uri = "https://api.example.com/v1"
    made = perennial.json(*CREATE, "--resource-server", uri)
    assert set(made) == {"client_id", "client_secret"}
    shown = perennial.json("client", "show", made["client_id"])
    assert (shown["kind"], shown["resource"], shown["grants"]) == ("resource server", uri, [])
    site.user()
    token = site.sign_in(site.client(), resource=uri)["access_token"]
    headers = {"Authorization": basic(made["client_id"], made["client_secret"])}
    answer = site.http.post("/oauth/introspect", data={"token": token}, headers=headers)
    assert answer.json["active"] is True
    refusal = perennial.refused(*CREATE, "--resource-server", uri)
    assert refusal == f"a resource server for {uri} exists already"


@pytest.mark.clause("rfc8707-2-01")
@pytest.mark.parametrize(
    "uri", ["", "api", "/api", "https://a.example/#f", "https://a b.example", "https://é.example"]
)
def test_a_resource_is_an_absolute_uri_without_fragment(quick, uri):
    assert "absolute URI" in quick.refused(*CREATE, "--resource-server", uri)


@pytest.mark.parametrize(
    "options",
    [
        grants("password"),
        ["--public"],
        ["--origin", "https://a.example"],
        ["--redirect-uri", "https://a.example/cb"],
        ["--auth-method", "none"],
    ],
)
def test_a_resource_server_takes_nothing_that_only_clients_have(quick, options):
    said = quick.refused(*CREATE, "--resource-server", "https://api.example.com", *options)
    assert "resource server" in said
