import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from app import settings
from app.settings import Settings, SettingsError, from_environment_or_exit, load

SECRET = "correct-horse"
TEN_YEARS = 315360000
PRODUCTION_DEFAULTS = {
    "env": "production",
    "issuer": None,
    "database_url": "sqlite:///instance/perennial.db",
    "redis_url": None,
    "keys_dir": Path("keys"),
    "keys_passphrase_file": None,
    "keystore": "directory",
    "kek_file": None,
    "signing_alg": "RS256",
    "access_token_ttl": 900,
    "refresh_idle_ttl": 2592000,
    "session_ttl": 7776000,
    "browser_session_ttl": 43200,
    "remember_me_ttl": 7776000,
    "max_sessions": 0,
    "reuse_grace": 60,
    "default_audience": None,
    "key_rotation_interval": 2592000,
    "jwks_max_age": 300,
    "status_ttl": 60,
    "password_grant": "allowlisted",
    "require_par": "off",
    "sessions_end_with_browser": "off",
    "webhook_url": None,
    "webhook_secret_file": None,
    "log_format": "json",
    "trusted_proxies": 0,
}
WHOLE_NUMBERS = {
    "PERENNIAL_ACCESS_TOKEN_TTL": (1, TEN_YEARS),
    "PERENNIAL_REFRESH_IDLE_TTL": (1, TEN_YEARS),
    "PERENNIAL_SESSION_TTL": (1, TEN_YEARS),
    "PERENNIAL_BROWSER_SESSION_TTL": (1, TEN_YEARS),
    "PERENNIAL_REMEMBER_ME_TTL": (1, TEN_YEARS),
    "PERENNIAL_MAX_SESSIONS": (0, 10_000),
    "PERENNIAL_REUSE_GRACE": (0, 300),
    "PERENNIAL_KEY_ROTATION_INTERVAL": (1, TEN_YEARS),
    "PERENNIAL_JWKS_MAX_AGE": (1, 86400),
    "PERENNIAL_STATUS_TTL": (1, 86400),
    "PERENNIAL_TRUSTED_PROXIES": (0, 10),
}
NOT_WHOLE = [
    "+5",
    "-5",
    "1_0",
    " 5",
    "5 ",
    "5\n",
    "5.0",
    "1e2",
    "0x5",
    "\u0665",
    "\u00b2",
    "five",
    "9" * 5000,
]


def value_of(variable, value, **others):
    loaded = load({variable: value, **others})
    return getattr(loaded, variable.removeprefix("PERENNIAL_").lower())


def refusal(environ):
    with pytest.raises(SettingsError) as refused:
        load(environ)
    text = str(refused.value)
    assert text.isprintable(), "the refusal is one line"
    return text


@pytest.fixture
def environment(monkeypatch):
    """An empty process environment, for the rules of `load()` without an argument."""
    mine: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", mine)
    return mine


@pytest.fixture
def passphrase_file(tmp_path):
    path = tmp_path / "passphrase"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


# Where values come from


def test_the_defaults_are_those_of_the_contract():
    assert load({}).model_dump() == PRODUCTION_DEFAULTS


def test_development_changes_two_defaults():
    assert load({"PERENNIAL_ENV": "development"}).model_dump() == PRODUCTION_DEFAULTS | {
        "env": "development",
        "issuer": "http://127.0.0.1:8000",
        "log_format": "console",
    }


def test_a_variable_wins_over_the_default_of_its_environment():
    chosen = {"PERENNIAL_ENV": "development", "PERENNIAL_LOG_FORMAT": "json"}
    assert load(chosen).log_format == "json"


def test_the_process_environment_is_read_when_none_is_given(environment):
    environment["PERENNIAL_ACCESS_TOKEN_TTL"] = "60"
    assert load().access_token_ttl == 60


def test_an_environment_that_is_given_replaces_that_of_the_process(environment):
    environment["PERENNIAL_ACCESS_TOKEN_TTL"] = "60"
    assert load({}).access_token_ttl == 900


def test_a_value_made_in_python_does_not_read_the_environment(environment):
    environment["PERENNIAL_ACCESS_TOKEN_TTL"] = "60"
    environment["access_token_ttl"] = "60"
    assert Settings(jwks_max_age=5).access_token_ttl == 900


@pytest.mark.parametrize("name", Settings.model_fields)
def test_an_empty_value_means_unset(name):
    assert load({settings.variable(name): ""}) == load({})


def test_a_settings_value_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        load({}).access_token_ttl = 5


# Names


def test_variables_of_others_are_not_looked_at():
    assert load({"HOME": "/x", "PORT": "x", "perennial_env": "x", "env": "x"}) == load({})


def test_variables_of_the_test_suite_are_not_looked_at():
    assert load({"PERENNIAL_TEST_REQUIRE": "browser"}) == load({})


def test_an_unknown_variable_is_refused_with_the_nearest_name():
    assert refusal({"PERENNIAL_ACESS_TOKEN_TTL": SECRET}) == (
        "PERENNIAL_ACESS_TOKEN_TTL: expected a known setting, perhaps PERENNIAL_ACCESS_TOKEN_TTL"
    )


def test_an_unknown_variable_like_no_other_is_referred_to_the_list():
    assert refusal({"PERENNIAL_QQQ": SECRET}) == (
        "PERENNIAL_QQQ: expected a known setting, see docs/settings.md"
    )


@pytest.mark.parametrize(
    "name", ["PERENNIAL_", "PERENNIAL_env", "PERENNIAL_ENV_", "PERENNIAL_A\nB"]
)
def test_a_name_that_only_resembles_a_setting_is_refused(name):
    assert "expected a known setting" in refusal({name: "production"})


def test_an_unknown_variable_is_refused_even_when_empty():
    assert refusal({"PERENNIAL_TTL": ""}).startswith("PERENNIAL_TTL: ")


def test_of_several_refusals_the_first_is_told():
    wrong = {"PERENNIAL_SESSION_TTL": "x", "PERENNIAL_ISSUER": "x", "PERENNIAL_ENV": "x"}
    assert refusal(wrong) == "PERENNIAL_ENV: expected production or development"


# Whole numbers


@pytest.mark.parametrize("variable", WHOLE_NUMBERS)
@pytest.mark.parametrize("value", NOT_WHOLE)
def test_a_number_is_written_in_plain_digits(variable, value):
    least, most = WHOLE_NUMBERS[variable]
    assert refusal({variable: value}).endswith(f"from {least} to {most}")


@pytest.mark.parametrize(("variable", "bounds"), WHOLE_NUMBERS.items())
def test_a_number_lies_within_its_range(variable, bounds):
    least, most = bounds
    assert value_of(variable, str(least)) == least
    assert value_of(variable, str(most)) == most
    assert f"from {least} to {most}" in refusal({variable: str(most + 1)})
    assert least == 0 or f"from {least} to {most}" in refusal({variable: str(least - 1)})


def test_the_refusal_of_a_lifetime_says_what_was_expected():
    assert refusal({"PERENNIAL_ACCESS_TOKEN_TTL": "soon"}) == (
        "PERENNIAL_ACCESS_TOKEN_TTL: expected whole seconds from 1 to 315360000"
    )


# Choices


@pytest.mark.parametrize(
    ("variable", "choices"),
    [
        ("PERENNIAL_ENV", ["production", "development"]),
        ("PERENNIAL_PASSWORD_GRANT", ["off", "allowlisted"]),
        ("PERENNIAL_LOG_FORMAT", ["json", "console"]),
    ],
)
def test_a_choice_is_one_of_its_words(variable, choices):
    assert [value_of(variable, choice) for choice in choices] == choices
    for wrong in (choices[0].upper(), f" {choices[0]}", "on"):
        assert refusal({variable: wrong}) == f"{variable}: expected {' or '.join(choices)}"


# Keys


def test_the_directory_of_keys_is_a_path(tmp_path):
    assert value_of("PERENNIAL_KEYS_DIR", str(tmp_path / "new")) == tmp_path / "new"


def test_a_file_is_no_directory_of_keys(passphrase_file):
    for wrong in (str(passphrase_file), f"{passphrase_file}/keys", "/dev/null/a/b", "a\0b"):
        text = refusal({"PERENNIAL_KEYS_DIR": wrong})
        assert text == "PERENNIAL_KEYS_DIR: expected a directory, or a path where one can be made"


def test_without_a_passphrase_file_there_is_no_passphrase():
    assert load({}).keys_passphrase() is None


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [(b"a", b"a"), (b"a\n", b"a"), (b"a\r\n", b"a"), (b" a \n\n", b" a \n"), (b"\xff\n", b"\xff")],
)
def test_the_passphrase_is_the_content_without_its_line_ending(
    passphrase_file, content, passphrase
):
    passphrase_file.write_bytes(content)
    loaded = load({"PERENNIAL_KEYS_PASSPHRASE_FILE": str(passphrase_file)})
    assert loaded.keys_passphrase_file == passphrase_file
    assert loaded.keys_passphrase() == passphrase


def refuses_passphrase_file(path):
    text = refusal({"PERENNIAL_KEYS_PASSPHRASE_FILE": str(path)})
    assert text == (
        "PERENNIAL_KEYS_PASSPHRASE_FILE: expected a file that is not empty "
        "and that only its owner can read or write"
    )


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o602, 0o644, 0o666])
def test_a_passphrase_file_that_others_can_use_is_refused(passphrase_file, mode):
    passphrase_file.chmod(mode)
    refuses_passphrase_file(passphrase_file)


@pytest.mark.parametrize("content", ["", "\n", "\r\n"])
def test_an_empty_passphrase_file_is_refused(passphrase_file, content):
    passphrase_file.write_text(content, newline="")
    refuses_passphrase_file(passphrase_file)


def test_a_passphrase_file_is_a_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "directory").mkdir(0o700)
    for wrong in ("pipe", "directory", "missing", "a\0b"):
        refuses_passphrase_file(tmp_path / wrong)


def test_a_passphrase_file_that_went_away_is_refused_when_it_is_read(passphrase_file):
    loaded = load({"PERENNIAL_KEYS_PASSPHRASE_FILE": str(passphrase_file)})
    passphrase_file.unlink()
    with pytest.raises(SettingsError, match=r"^PERENNIAL_KEYS_PASSPHRASE_FILE: expected"):
        loaded.keys_passphrase()


# Secrets


def test_a_settings_value_does_not_show_its_secrets(passphrase_file):
    loaded = Settings(
        database_url=f"postgresql+psycopg://user:{SECRET}@db/perennial",
        redis_url=f"redis://:{SECRET}@cache",
        keys_passphrase_file=passphrase_file,
    )
    for text in (repr(loaded), str(loaded), f"{loaded}"):
        assert SECRET not in text
        assert "access_token_ttl=900" in text


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_refusal_does_not_show_the_value(name):
    wrong = f"x://{SECRET}:{SECRET}@{SECRET}:{SECRET}/ {SECRET}\0"
    with pytest.raises(SettingsError) as refused:
        load({settings.variable(name): wrong})
    assert SECRET not in str(refused.value) + repr(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_value_refused_in_python_is_not_shown_either(name):
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({name: f"x://{SECRET}:{SECRET}\0"})
    assert SECRET not in str(refused.value) + repr(refused.value)


# Starting a process


def test_a_process_starts_with_what_its_environment_says(environment):
    environment["PERENNIAL_REUSE_GRACE"] = "0"
    assert from_environment_or_exit().reuse_grace == 0


def test_a_process_with_a_wrong_setting_ends_with_one_line(environment, capsys):
    environment["PERENNIAL_REUSE_GRACE"] = SECRET
    with pytest.raises(SystemExit) as ended:
        from_environment_or_exit()
    assert ended.value.code == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err == "PERENNIAL_REUSE_GRACE: expected whole seconds from 0 to 300\n"
