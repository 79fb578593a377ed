"""The database and the derivation secret have both leaked: the runbook, and what it is worth."""

import pytest
from sqlalchemy import select

from app.core.derivation import SecretId, SecretState
from app.core.derivation import ring as make_ring
from app.features.secrets import use_case
from app.store.sessions import SessionRow


class Thief:
    """Holds a copy of the database and of the key directory, taken at one moment."""

    def __init__(self, site) -> None:
        with site.run.rotations.connect() as connection:
            self._rows = connection.execute(
                select(SessionRow.sid, SessionRow.salt, SessionRow.gen, SessionRow.secret_id)
            ).all()
        self._files = site.run.keystore.directory.secrets()

    def forge(self, ahead: int = 0, secret_id: int | None = None) -> list[str]:
        """A token for every session that was in the dump."""
        newest = max(self._files)
        ring = make_ring(
            [SecretId(id_, SecretState.ACTIVE) for id_ in range(1, newest + 1)], self._files
        )
        return [
            ring.mint(secret_id or row.secret_id, bytes(row.sid), bytes(row.salt), row.gen + ahead)
            for row in self._rows
        ]


def run_book(site, pause):
    """`secrets rotate`, `secrets rotate`, `secrets retire 1 --force`, one right after the other."""
    for _ in range(2):
        site.clock.advance(seconds=1)
        assert use_case.rotate(site.run, site.clock(), pause).events
    return use_case.retire(site.run, 1, pause, force=True)


@pytest.fixture
def robbed(any_site):
    """(site, client, tokens of its people, a thief who can forge them)."""
    any_site.user()
    client = any_site.client()
    tokens = [any_site.sign_in(client)["refresh_token"] for _ in range(2)]
    return any_site, client, tokens, Thief(any_site)


def outcome(site, client, token) -> tuple[int, str | None]:
    answer = site.refresh(client, token)
    return answer.status_code, answer.json.get("error")


REFUSED = (400, "invalid_grant")


def test_before_it_the_thief_can_be_anybody(robbed):
    """Or the other tests here would prove nothing."""
    site, client, tokens, thief = robbed
    assert sorted(thief.forge()) == sorted(tokens)
    assert [outcome(site, client, token)[0] for token in thief.forge()] == [200] * 2


def test_after_it_every_old_token_is_refused_and_what_was_stolen_is_useless(robbed):
    site, client, tokens, thief = robbed
    assert run_book(site, site.clock.advance).sessions == 2
    for token in tokens:
        assert outcome(site, client, token) == REFUSED
    for ahead in (-1, 0, 1, 2, 1000):
        for token in thief.forge(ahead):
            assert outcome(site, client, token) == REFUSED
            assert not site.introspect(client, token)["active"]
    assert all(found.sessions == 0 for found in use_case.overview(site.run))


def test_after_it_people_sign_in_and_stay_signed_in(robbed):
    site, client, _, _ = robbed
    run_book(site, site.clock.advance)
    token = site.sign_in(client)["refresh_token"]
    for _ in range(3):
        answer = site.refresh(client, token)
        assert answer.status_code == 200
        token = answer.json["refresh_token"]
    assert outcome(site, client, token)[0] == 200


@pytest.mark.parametrize("step", [0, 1, 2], ids=["before it", "once made", "once active"])
def test_a_thief_who_has_refreshed_meanwhile_is_thrown_out_too(robbed, step):
    """A forged token that was refreshed is a genuine one, perhaps of the new secret."""
    site, client, _, thief = robbed
    for _ in range(step):
        site.clock.advance(seconds=60)
        use_case.rotate(site.run, site.clock(), site.clock.advance)
    stolen = site.refresh(client, thief.forge()[0]).json["refresh_token"]
    for _ in range(2 - step):
        site.clock.advance(seconds=60)
        use_case.rotate(site.run, site.clock(), site.clock.advance)
    use_case.retire(site.run, 1, site.clock.advance, force=True)
    assert outcome(site, client, stolen) == REFUSED
    assert all(outcome(site, client, token) == REFUSED for token in thief.forge())


def test_a_thief_with_a_session_of_his_own_gains_nothing_from_the_old_secret(robbed):
    """He signs in afterwards, so he knows sid and generation; the salt he has not seen."""
    site, client, _, thief = robbed
    run_book(site, site.clock.advance)
    site.sign_in(client)
    new = Thief(site)
    new._files = thief._files
    for token in new.forge(secret_id=1):
        assert outcome(site, client, token) == REFUSED


def test_on_another_host_it_holds_as_soon_as_that_has_noticed(make_sqlite_site):
    site, other = make_sqlite_site(), make_sqlite_site()
    site.user()
    client = site.client()
    tokens = [site.sign_in(client)["refresh_token"] for _ in range(2)]
    assert outcome(other, client, tokens[0])[0] == 200
    run_book(site, site.clock.advance)
    other.clock.now = site.clock() + 5_000
    assert outcome(other, client, tokens[1]) == REFUSED
    assert outcome(other, client, other.sign_in(client)["refresh_token"])[0] == 200
