"""A consent that an older copy of the database has again is withdrawn again."""

from urllib.parse import urlsplit

from tests.features.recovery.conftest import Restored
from tests.features.recovery.test_browsers import revived
from tests.pages.account import press
from tests.person import CONSENT, Person, exchange, web_app


def test_a_consent_that_was_withdrawn_is_withdrawn_again(any_site, duplicate, tmp_path, capsys):
    any_site.user()
    client, alice = web_app(any_site), Person(any_site)
    token = exchange(any_site, client, alice.code(client)).json["refresh_token"]
    copy = Restored(duplicate(any_site, "older.db"), tmp_path)
    any_site.clock.advance(seconds=1)
    hers = revived(alice, copy)
    capsys.readouterr()
    press(alice, "Withdraw")
    log = capsys.readouterr().err
    assert "code=" in hers.ask(client).location, "it holds again"
    told = copy.apply(log)
    assert told["consents"] == told["sessions"] == {"applied": 1, "already": 0, "unknown": 0}
    assert copy.site.refresh(client, token).json["reason"] == "session_ended"
    assert urlsplit(hers.ask(client).location).path == CONSENT
    hers.site.clock.advance(seconds=1)
    assert "code" in hers.authorize(client), "allowed anew"
    assert copy.apply(log)["consents"] == {"applied": 0, "already": 1, "unknown": 0}
    assert "code=" in hers.ask(client).location, "what is from later stays"
