"""Where signing keys are kept, and the keys that seal them."""

import base64

import pytest

from app.settings import SettingsError, load

FIRST, SECOND = (base64.b64encode(bytes([n]) * 32) for n in (1, 2))


@pytest.fixture
def kek_file(tmp_path):
    """Writes the file; answers its path as a variable would hold it."""

    def write(content, mode=0o600):
        file = tmp_path / "kek"
        file.write_bytes(content)
        file.chmod(mode)
        return str(file)

    return write


def refusal(environ):
    with pytest.raises(SettingsError) as refused:
        load(environ)
    return str(refused.value)


@pytest.mark.parametrize(
    "content", [FIRST, FIRST + b"\n", FIRST + b"\n" + SECOND + b"\n", FIRST + b"\r\n" + SECOND]
)
def test_the_first_line_is_the_key_to_use_and_all_are_read(kek_file, content):
    environ = {"PERENNIAL_KEYSTORE": "database", "PERENNIAL_KEK_FILE": kek_file(content)}
    loaded = load(environ)
    assert loaded.keystore == "database"
    keys = loaded.key_encryption_keys()
    assert keys == [bytes([n]) * 32 for n in range(1, len(keys) + 1)]
    assert FIRST.decode() not in repr(loaded)


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (b"", 0o600),
        (b"\n", 0o600),
        (FIRST, 0o644),
        (FIRST, 0o640),
        (b"k" * 32, 0o600),
        (base64.b64encode(b"k" * 31), 0o600),
        (FIRST + b"\n" + base64.b64encode(b"k" * 33), 0o600),
        (FIRST + b"\n# a comment", 0o600),
        (b"\xff" * 44, 0o600),
    ],
)
def test_a_file_that_is_no_list_of_keys_is_refused_without_showing_it(kek_file, content, mode):
    said = refusal({"PERENNIAL_KEK_FILE": kek_file(content, mode)})
    assert said.startswith("PERENNIAL_KEK_FILE: expected a file that only its owner can")
    assert FIRST.decode() not in said


def test_the_database_keystore_needs_a_key_that_seals():
    said = refusal({"PERENNIAL_KEYSTORE": "database"})
    assert said.startswith("PERENNIAL_KEK_FILE: expected")


def test_a_file_that_went_away_is_named_when_it_is_read_again(kek_file, tmp_path):
    loaded = load({"PERENNIAL_KEK_FILE": kek_file(FIRST)})
    (tmp_path / "kek").unlink()
    with pytest.raises(SettingsError, match="PERENNIAL_KEK_FILE"):
        loaded.key_encryption_keys()


@pytest.mark.parametrize("name", ["RS256", "PS256", "ES256", "EdDSA"])
def test_keys_may_be_made_for_four_algorithms(name):
    assert load({"PERENNIAL_SIGNING_ALG": name}).signing_alg == name


@pytest.mark.parametrize("name", ["none", "HS256", "rs256", "RS512"])
def test_no_other_algorithm_is_taken(name):
    expected = "PERENNIAL_SIGNING_ALG: expected RS256 or PS256 or ES256 or EdDSA"
    assert refusal({"PERENNIAL_SIGNING_ALG": name}) == expected


@pytest.mark.parametrize("name", ["files", "Directory", "vault"])
def test_there_are_two_keystores(name):
    assert refusal({"PERENNIAL_KEYSTORE": name}).endswith("expected directory or database")
