"""Killed at any point of a ceremony, on both keystores: the next start signs."""

import pytest
from sqlalchemy import event, text

from app.core import keyring
from app.features.signing_keys import jobs
from tests.services.vaults import keys, private_files, sealed, signing, states

DAY = 24 * 3600


class Killed(BaseException):
    pass


def rotation(site):
    now = site.clock()
    site.run.ceremony().rotate(at_once=True, called_at=now + 1, now=now)


def compromise(site):
    known = keys(site)
    kid = keyring.active(known, site.clock()).kid
    site.run.ceremony().compromise(kid, site.clock(), everything=True)


ACTS = {
    "start": lambda site: site.run.ceremony().establish(site.clock()),
    "plan": lambda site: site.run.ceremony().maintain(site.clock()),
    "rotate": rotation,
    "compromise": compromise,
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_killed_at_any_point_of_a_ceremony_a_keystore_starts_and_signs(hosts, act, monkeypatch):
    """Before each statement, each commit, after each key that was kept and each that was dropped."""
    first = act is ACTS["start"]
    site = hosts.another() if first else hosts.started()
    point = 0
    while True:
        point += 1
        if not first:
            site.clock.advance(seconds=31 * DAY)
            site.run.ceremony().establish(site.clock())
            site.clock.advance(seconds=31 * DAY)
        if not killed_at(point, site, act, monkeypatch):
            break
        again = hosts.another()
        again.clock.now = site.clock.now + 2_000
        again.run.ceremony().establish(again.clock())
        token = again.run.signer().sign({"sub": "alice"})
        assert token
        assert again.run.signer().kid in again.run.keystore.published(again.clock())
        assert again.run.ring().active == 1
        assert states(again).count("active") == 1
        assert "next" in states(again)
        if first:
            break_down(site)
    assert point > 4, "there were points to be killed at"


def break_down(site):
    """Back to before the first start."""
    with site.run.transactions.begin() as connection:
        for table in ("signing_keys", "secret_ids", "audit"):
            connection.execute(text(f"DELETE FROM {table}"))
    for file in site.run.settings.keys_dir.iterdir():
        if file.name != ".lock":
            file.unlink()


def killed_at(point, site, act, monkeypatch) -> bool:
    """Whether the act went as far as the point; it ends there."""
    left = [point]

    def step(*_):
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    vault = site.run.keystore.vault
    with monkeypatch.context() as patch:
        for name in ("make", "destroy"):
            patch.setattr(type(vault), name, after(getattr(type(vault), name), step))
        event.listen(site.run.transactions, "before_cursor_execute", step)
        event.listen(site.run.transactions, "commit", step)
        try:
            act(site)
        except Killed:
            return True
        finally:
            event.remove(site.run.transactions, "before_cursor_execute", step)
            event.remove(site.run.transactions, "commit", step)
    return False


def after(method, step):
    def stepping(self, *args):
        answer = method(self, *args)
        step()
        return answer

    return stepping


def test_what_an_interruption_left_of_a_dropped_key_goes_at_the_next_start(hosts, monkeypatch):
    site = hosts.started()
    first = signing(site)
    site.clock.advance(seconds=30 * DAY)
    jobs.maintain(site.run)
    site.clock.advance(seconds=930)

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(site.run.keystore.vault), "destroy", killed)
        with pytest.raises(Killed):
            site.run.ceremony().maintain(site.clock())
    site.run.ceremony().establish(site.clock())
    assert first not in private_files(site) | sealed(site)
