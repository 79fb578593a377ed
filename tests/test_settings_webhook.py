"""Where alerts go, and the key that signs them."""

import base64

import pytest

from app.settings import SettingsError, load

KEY = b"k" * 24
URL = "https://alerts.example.com/hook?team=1"


@pytest.fixture
def secret_file(tmp_path):
    """Writes a secret file; answers its path as a variable would hold it."""

    def write(content, mode=0o600):
        file = tmp_path / "secret"
        file.write_bytes(content)
        file.chmod(mode)
        return str(file)

    return write


def whsec(key):
    return b"whsec_" + base64.b64encode(key)


def refusal(environ):
    with pytest.raises(SettingsError) as refused:
        load(environ)
    return str(refused.value)


@pytest.mark.parametrize(
    "url", [URL, "http://127.0.0.1:9000/", "http://localhost", "http://[::1]/"]
)
def test_a_webhook_is_https_or_on_this_host(url, secret_file):
    file = secret_file(whsec(KEY) + b"\n")
    loaded = load({"PERENNIAL_WEBHOOK_URL": url, "PERENNIAL_WEBHOOK_SECRET_FILE": file})
    assert loaded.webhook_url == url
    assert loaded.webhook_secret() == KEY
    assert "alerts.example" not in repr(loaded), "its path may be a secret"


@pytest.mark.parametrize(
    "url",
    [
        "http://alerts.example.com/",
        "https://user:secret@alerts.example.com/",
        "https://alerts.example.com/#fragment",
        "https://alerts.example.com:99999/",
        "https://alerts.example.com/ space",
        "https:///path",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "alerts.example.com",
    ],
)
def test_any_other_webhook_is_refused(url, secret_file):
    said = refusal(
        {"PERENNIAL_WEBHOOK_URL": url, "PERENNIAL_WEBHOOK_SECRET_FILE": secret_file(whsec(KEY))}
    )
    assert said.startswith("PERENNIAL_WEBHOOK_URL: expected an https URL")


def test_no_alert_goes_out_unsigned():
    said = refusal({"PERENNIAL_WEBHOOK_URL": URL})
    assert said.startswith("PERENNIAL_WEBHOOK_SECRET_FILE: expected a file")


@pytest.mark.parametrize(
    "content",
    [KEY, b"", b"whsec_", whsec(b"k" * 23), whsec(b"k" * 65), b"whsec_!!!!", b"other_" + KEY],
)
def test_a_weak_or_malformed_key_is_refused(content, secret_file):
    file = secret_file(content)
    said = refusal({"PERENNIAL_WEBHOOK_URL": URL, "PERENNIAL_WEBHOOK_SECRET_FILE": file})
    assert said.startswith("PERENNIAL_WEBHOOK_SECRET_FILE: expected")
    assert "k" * 8 not in said


def test_a_key_that_others_can_read_is_refused(secret_file):
    file = secret_file(whsec(KEY), mode=0o644)
    assert "only its owner" in refusal(
        {"PERENNIAL_WEBHOOK_URL": URL, "PERENNIAL_WEBHOOK_SECRET_FILE": file}
    )


def test_a_key_that_is_gone_later_is_named(secret_file, tmp_path):
    file = secret_file(whsec(KEY))
    loaded = load({"PERENNIAL_WEBHOOK_URL": URL, "PERENNIAL_WEBHOOK_SECRET_FILE": file})
    (tmp_path / "secret").unlink()
    with pytest.raises(SettingsError, match="PERENNIAL_WEBHOOK_SECRET_FILE"):
        loaded.webhook_secret()
