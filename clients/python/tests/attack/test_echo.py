"""Promise: no error carries token text; a terminal is not for the server to write to. Broken:
`error_description` is handed on as it is (Spring writes `Invalid refresh token: 8e6a…`)."""

import pytest

from clients.python.tests.session.world import answer
from perennial import ConfigError, SignInError


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
