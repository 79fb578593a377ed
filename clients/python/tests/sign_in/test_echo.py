"""Promise: no error carries token text; a terminal is not for the server to write to. What servers say
(Spring writes `Invalid refresh token: 8e6a…`) is not handed on as it is.
"""

import pytest

from clients.python.tests.session.world import answer
from clients.python.tests.sign_in.office import CODES
from perennial import ConfigError, ProtocolError, SignInError, answers


def test_a_description_that_repeats_the_refresh_token_is_not_shown(party):
    session = party.signed_in()
    said = {"error": "invalid_request", "error_description": "cannot use refresh token r0"}
    party.server.plan.append(answer(said, 400))
    party.clock.advance(900)
    with pytest.raises(ConfigError) as caught:
        session.token()
    assert "r0" not in str(caught.value)


def test_a_description_that_repeats_the_password_is_not_shown(party):
    said = {"error": "invalid_grant", "error_description": "wrong: correct horse"}
    party.server.plan.append(answer(said, 400))
    with pytest.raises(SignInError) as caught:
        party.signed_in()
    assert "correct horse" not in str(caught.value)


def test_the_command_line_writes_no_control_characters_of_the_server():
    from perennial.cli import _explain

    text = _explain(SignInError("access_denied", "\x1b[2J\x1b]0;owned\x07Password:"))[1]
    assert text.isprintable(), ascii(text)


def test_the_code_to_type_has_no_control_characters(capsys):
    from perennial.cli import _show_code
    from perennial.device_flow import DeviceCode

    _show_code(DeviceCode("\x1b[1A\x1b[2KABCD", "https://id.example.com\x1b[8m", None, 60.0))
    assert "\x1b" not in capsys.readouterr().err


SECRETS = answers.secrets_of(
    {"grant_type": "password", "username": "alice", "password": "å b", "otp": "123456"}, "s3cret"
)


@pytest.mark.parametrize(
    "said", ["wrong: å b", "wrong: %C3%A5+b", "code 123456", "bad secret s3cret", 7, None]
)
def test_nothing_is_shown_of_a_text_that_repeats_a_secret(said):
    assert answers.shown(said, SECRETS) == ""


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("alice may not use password", "alice may not use password"),
        ("two\r\nlines", "two lines"),
        ("\x1b[2Jungültig\u202e", "?[2Jung?ltig?"),
        ("x" * 300, "x" * 200),
    ],
)
def test_other_texts_are_shown_as_far_as_any_terminal_can(said, shown):
    assert answers.shown(said, SECRETS) == shown


def test_a_description_that_repeats_the_client_secret_is_not_shown(party):
    session = party.session(client_secret="top secret")
    said = {"error": "invalid_client", "error_description": "not top+secret"}
    party.server.plan.append(answer(said, 401))
    with pytest.raises(ConfigError) as caught:
        session.sign_in_with_password("alice", "correct horse")
    assert str(caught.value) == "invalid_client"


def test_a_description_that_repeats_the_device_code_is_not_shown(party, session):
    said = {"error": "access_denied", "error_description": "device-secret is denied"}
    party.server.polls.append(answer(said, 400))
    with pytest.raises(SignInError) as caught:
        session.sign_in_with_device(lambda _: None)
    assert str(caught.value) == "access_denied"


@pytest.mark.parametrize("name", ["user_code", "verification_uri"])
def test_a_code_with_control_characters_is_not_shown(party, session, name):
    party.server.codes = answer({**CODES, name: "\x1b[2K"})
    shown = []
    with pytest.raises(ProtocolError):
        session.sign_in_with_device(shown.append)
    assert shown == []


@pytest.mark.parametrize("seconds", [10**400, 1e300])
def test_a_code_that_is_good_for_ever_is_good_for_a_day(party, session, seconds):
    party.server.codes = answer({**CODES, "expires_in": seconds, "interval": 5})
    shown = []
    session.sign_in_with_device(shown.append)
    assert shown[0].lifetime == 86_400


def test_what_a_browser_brings_back_is_shown_as_far_as_any_terminal_can(session):
    _, pending = session.authorization_request("https://app.example.com/cb")
    said = f"?state={pending.state}&iss={pending.issuer}&error=%1B[2J&error_description=%1B[2Jx"
    with pytest.raises(SignInError) as caught:
        session.finish_sign_in(pending, f"https://app.example.com/cb{said}")
    assert str(caught.value) == "invalid_answer: ?[2Jx"
