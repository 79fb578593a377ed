import pytest
from sqlalchemy import make_url

from app.settings import Settings, SettingsError, load

SECRET = "correct-horse"


def value_of(variable, value, **others):
    loaded = load({variable: value, **others})
    return getattr(loaded, variable.removeprefix("PERENNIAL_").lower())


def refusal(environ):
    with pytest.raises(SettingsError) as refused:
        load(environ)
    text = str(refused.value)
    assert text.isprintable(), "the refusal is one line"
    return text


# Issuer


@pytest.mark.parametrize(
    "issuer",
    [
        "https://auth.example.com",
        "https://auth.example.com:8443",
        "https://auth.example.com/tenant/a",
        "https://auth.example.com/a%20b",
        "https://localhost",
        "https://192.0.2.1",
        "https://[2001:db8::1]:8443/a",
    ],
)
@pytest.mark.parametrize("env", ["production", "development"])
def test_an_issuer_is_an_https_url(issuer, env):
    assert value_of("PERENNIAL_ISSUER", issuer, PERENNIAL_ENV=env) == issuer


LOOPBACK = [
    "http://127.0.0.1:8000",
    "http://127.9.8.7",
    "http://[::1]:8000",
    "http://localhost:8000/a",
]


@pytest.mark.parametrize("issuer", LOOPBACK)
def test_an_http_issuer_is_allowed_on_loopback_in_development(issuer):
    assert value_of("PERENNIAL_ISSUER", issuer, PERENNIAL_ENV="development") == issuer


@pytest.mark.parametrize("issuer", LOOPBACK)
def test_an_http_issuer_is_refused_in_production(issuer):
    assert refusal({"PERENNIAL_ISSUER": issuer}).startswith("PERENNIAL_ISSUER: expected an https")


@pytest.mark.parametrize(
    "issuer",
    [
        "http://auth.example.com",
        "http://192.168.0.1",
        "http://0.0.0.0:8000",
        "http://[::]:8000",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://127.1",
        "http://2130706433",
    ],
)
def test_an_http_issuer_beyond_loopback_is_refused_in_development(issuer):
    text = refusal({"PERENNIAL_ISSUER": issuer, "PERENNIAL_ENV": "development"})
    assert text.startswith("PERENNIAL_ISSUER: expected an https")


@pytest.mark.parametrize(
    "issuer",
    [
        "auth.example.com",
        "https://",
        "https:///path",
        "https:auth.example.com",
        "ftp://auth.example.com",
        "https://auth.example.com/",
        "https://auth.example.com/a/",
        "https://auth.example.com//a",
        "https://auth.example.com?",
        "https://auth.example.com?a=b",
        "https://auth.example.com#",
        "https://auth.example.com#a",
        "https://user@auth.example.com",
        f"https://user:{SECRET}@auth.example.com",
        "https://auth.example.com\\@evil.example",
        " https://auth.example.com",
        "https://auth.example.com ",
        "https://auth.example.com\n",
        "https://auth.exa\tmple.com",
        "https://auth.example.com/a b",
        "https://auth.example.com/é",
        "https://é.example.com",
        "https://auth.example.com/%zz",
        "https://auth.example.com:",
        "https://auth.example.com:0",
        "https://auth.example.com:65536",
        "https://auth.example.com:http",
        "https://auth..example.com",
        "https://-auth.example.com",
        "https://Auth.example.com",
        "HTTPS://auth.example.com",
        "https://[::1",
        "https://[:::1]",
        "https://[127.0.0.1]",
    ],
)
@pytest.mark.parametrize("env", ["production", "development"])
def test_an_issuer_that_clients_could_not_compare_is_refused(issuer, env):
    text = refusal({"PERENNIAL_ISSUER": issuer, "PERENNIAL_ENV": env})
    assert text.startswith("PERENNIAL_ISSUER: expected an https")


def test_the_issuer_can_be_required():
    assert Settings(issuer="https://a.example").require_issuer() == "https://a.example"
    with pytest.raises(SettingsError, match=r"^PERENNIAL_ISSUER: expected an https URL"):
        load({}).require_issuer()


# Audience


@pytest.mark.parametrize(
    "audience",
    ["https://api.example.com", "https://api.example.com/v1?a=b", "urn:example:api", "api:orders"],
)
def test_the_default_audience_is_an_absolute_uri(audience):
    assert load({"PERENNIAL_DEFAULT_AUDIENCE": audience}).audience == audience


@pytest.mark.parametrize(
    "audience",
    [
        "api",
        "/api",
        "//api.example.com",
        "api:",
        "https://",
        "https:///v1",
        "https://[::1",
        "https://api.example.com#",
        "https://api.example.com#a",
        "https://api.example.com/a b",
        "urn:example:é",
        "urn:example:<a>",
        "urn:example:a\n",
        "1urn:example",
    ],
)
def test_any_other_default_audience_is_refused(audience):
    assert refusal({"PERENNIAL_DEFAULT_AUDIENCE": audience}) == (
        "PERENNIAL_DEFAULT_AUDIENCE: expected an absolute URI without a fragment"
    )


def test_without_a_default_audience_the_issuer_is_the_audience():
    assert Settings(issuer="https://a.example").audience == "https://a.example"
    with pytest.raises(SettingsError, match=r"^PERENNIAL_ISSUER: "):
        _ = load({}).audience


# Database


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///instance/perennial.db", "/work dir/instance/perennial.db"),
        ("sqlite:///perennial.db", "/work dir/perennial.db"),
        ("sqlite:////var/lib/perennial.db", "/var/lib/perennial.db"),
        ("sqlite:////var/100%25/a%3Fb%23c.db", "/var/100%/a?b#c.db"),
        ("sqlite:////var/ü+@:&=%20.db", "/var/ü+@:&= .db"),
    ],
)
def test_an_sqlite_url_names_one_file_wherever_it_is_opened(url, path, tmp_path, monkeypatch):
    working_directory = tmp_path / "100% ?#@ dir"
    working_directory.mkdir()
    monkeypatch.chdir(working_directory)
    opened = make_url(Settings(database_url=url).sqlalchemy_url)
    assert opened.get_backend_name() == "sqlite"
    assert opened.database == path.replace("/work dir", str(working_directory))
    assert not opened.query


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://perennial:{SECRET}@db.example.com:5432/perennial?sslmode=require",
        "postgresql+psycopg://perennial:p%40ss%2Fword@[::1]:5432/perennial",
        "postgresql+psycopg://perennial@/perennial?host=/var/run/postgresql",
        "postgresql+psycopg://perennial:@/perennial?host=/var/run/postgresql",
        "postgresql+psycopg:///perennial",
        "postgresql+psycopg://db/perennial",
        "postgresql+psycopg://perennial:x@/perennial?host=db1.example.com:5432&host=db2:5433",
        "postgresql+psycopg:///perennial?host=/run/one,/run/two&target_session_attrs=read-write",
    ],
)
def test_a_postgresql_url_is_passed_on_as_it_is(url):
    loaded = load({"PERENNIAL_DATABASE_URL": url})
    assert loaded.database_url == loaded.sqlalchemy_url == url
    assert make_url(url).drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "url",
    [
        "perennial.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:////",
        "sqlite:///:memory:",
        "sqlite:///%3Amemory%3A",
        "sqlite:///file::memory:",
        "sqlite:///file:perennial.db",
        "sqlite:///file:perennial.db?mode=memory&uri=true",
        "sqlite:///perennial.db?timeout=5",
        "sqlite:///perennial.db?",
        "sqlite:///instance/",
        "sqlite:///instance/..",
        "sqlite:///.",
        "sqlite:///a%00b.db",
        "sqlite:///a%0Ab.db",
        "sqlite:///a.db\n",
        "sqlite://host/perennial.db",
        "sqlite:/perennial.db",
        "sqlite+pysqlite:///perennial.db",
        "SQLITE:///perennial.db",
        "postgresql://db/perennial",
        "postgresql+psycopg2://db/perennial",
        "postgresql+asyncpg://db/perennial",
        "postgresql+psycopg:/db/perennial",
        "postgresql+psycopg://",
        "postgresql+psycopg://db:port/perennial",
        "postgresql+psycopg://db:65536/perennial",
        "postgresql+psycopg://user:pa/ss@db/perennial",
        "postgresql+psycopg://user:pa ss@db/perennial",
        "postgresql+psycopg://user:pa#ss@db/perennial",
        "postgresql+psycopg://user:pa@ss@db/perennial",
        "postgresql+psycopg://db:5432/perennial?application_name=a@b",
        "postgresql+psycopg://db?connect_timeout=5",
        "postgresql+psycopg://db/perennial\n",
        "mysql://db/perennial",
    ],
)
def test_any_other_database_url_is_refused(url):
    assert refusal({"PERENNIAL_DATABASE_URL": url}) == (
        "PERENNIAL_DATABASE_URL: expected sqlite:///file without a query, or "
        "postgresql+psycopg://user:password@host/name (special characters percent-encoded)"
    )


# Redis


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1",
        f"redis://:{SECRET}@cache.example.com:6379/0",
        f"rediss://user:{SECRET}@[::1]:6379/0?ssl_cert_reqs=required",
        "unix:///run/redis.sock?db=1",
        f"unix://user:{SECRET}@/run/redis.sock",
    ],
)
def test_a_redis_url_is_plain_tls_or_a_socket(url):
    assert value_of("PERENNIAL_REDIS_URL", url) == url


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:6379",
        "redis:127.0.0.1",
        "redis://",
        "redis:///0",
        "rediss://:6379",
        "redis://host:port",
        "redis://host:65536",
        "redis://:pa/ss@host",
        "redis://:pa ss@host",
        "redis://host\n",
        "redis://[::1",
        "unix://",
        "unix://run/",
        "http://host",
        "redis+cluster://host",
    ],
)
def test_any_other_redis_url_is_refused(url):
    assert refusal({"PERENNIAL_REDIS_URL": url}) == (
        "PERENNIAL_REDIS_URL: expected a redis://host, rediss://host or unix:///socket URL"
    )
