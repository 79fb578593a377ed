"""Giving a secret up: refused while sessions need it, and what becomes of them when it is forced."""

import pytest
from sqlalchemy import event, insert, text, update

from app.core.derivation import SETTLED
from app.core.events import DerivationSecretRetired
from app.core.outcomes import Rejected
from app.core.refresh_token import parse
from app.core.rotation import Refusal
from app.features.secrets import use_case
from app.features.secrets.use_case import Needed, Retired
from app.store.derivation_secrets import SecretIdRow
from app.store.derived_sessions import Count
from app.store.sessions import BATCH, SessionRow
from tests.console import Console


@pytest.fixture
def site(make_sqlite_site):
    """For what does not depend on the database."""
    made = make_sqlite_site()
    made.user()
    return made


@pytest.fixture
def client(site):
    return site.client()


@pytest.fixture
def peopled(any_site):
    """A site on either database, and its client."""
    any_site.user()
    return any_site, any_site.client()


def rotate(site):
    site.clock.advance(seconds=60)
    turn = use_case.rotate(site.run, site.clock(), site.clock.advance)
    assert turn.events, turn
    return turn


def roll_out(site):
    rotate(site)
    rotate(site)
    site.clock.advance(seconds=60)


def retire(site, secret_id, *, force=False):
    return use_case.retire(site.run, secret_id, site.clock.advance, force=force)


def overview(site):
    return {found.entry.id: found for found in use_case.overview(site.run)}


def sign_in(site, client) -> str:
    return site.sign_in(client)["refresh_token"]


def refreshed(site, client, token) -> str:
    answer = site.refresh(client, token)
    assert answer.status_code == 200, answer.text
    return answer.json["refresh_token"]


def refusals(capsys) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if "refresh_refused" in line]


# --- refused --------------------------------------------------------------------------------------


def test_the_active_secret_is_not_retired_whatever_is_forced(site):
    for force in (False, True):
        why = "derivation secret 1 is active; `perennial secrets rotate` first"
        assert retire(site, 1, force=force) == Rejected(why)
    roll_out(site)
    assert isinstance(retire(site, 2, force=True), Rejected)


def test_an_unknown_secret_and_one_that_is_retired_already_are_refused(site):
    roll_out(site)
    assert retire(site, 3, force=True) == Rejected("there is no derivation secret 3")
    assert isinstance(retire(site, 1), Retired)
    assert retire(site, 1, force=True) == Rejected("derivation secret 1 is retired already")


def test_a_session_whose_current_token_is_one_of_it_keeps_it(peopled):
    site, client = peopled
    sign_in(site, client)
    sign_in(site, client)
    roll_out(site)
    assert overview(site)[1].sessions == 2
    needed = retire(site, 1)
    assert isinstance(needed, Needed)
    assert needed.count == Count(2, 0, needed.count.until)
    assert overview(site)[1].retirable is False


def test_a_session_that_began_before_keeps_it_though_it_has_moved_on(peopled):
    """Its older tokens are of the old secret: nobody could tell any more that one was reused."""
    site, client = peopled
    token = sign_in(site, client)
    roll_out(site)
    refreshed(site, client, token)
    counted = retire(site, 1).count
    assert (counted.current, counted.earlier) == (0, 1)
    site.clock.advance(seconds=90)
    assert site.refresh(client, token).json["reason"] == "session_reused"
    assert isinstance(retire(site, 1), Retired)


def test_a_session_that_began_afterwards_does_not_need_it(peopled):
    site, client = peopled
    roll_out(site)
    token = sign_in(site, client)
    assert parse(token).secret_id == 2
    assert isinstance(retire(site, 1), Retired)
    refreshed(site, client, token)


def test_what_a_server_may_still_have_derived_while_it_noticed_counts(site, client):
    rotate(site)
    rotate(site)
    activated = site.clock()
    for age, needed in ((SETTLED - 1, True), (SETTLED, False)):
        site.clock.now = activated + age
        sign_in(site, client)
        site.clock.now = activated + 60_000
        assert isinstance(retire(site, 1), Needed) is needed, age
        end_all(site)


def end_all(site):
    with site.run.transactions.begin() as connection:
        connection.execute(update(SessionRow).values(revoked_at=1))


def test_retirement_waits_until_no_server_derives_with_it_any_more(site):
    rotate(site)
    rotate(site)
    activated = site.clock()
    assert isinstance(retire(site, 1), Retired)
    assert site.clock() == activated + SETTLED


def test_once_the_last_session_is_over_it_can_be_retired(site, client):
    token = sign_in(site, client)
    roll_out(site)
    until = retire(site, 1).count.until
    assert until == site.clock() - 180_000 + site.run.lifetimes.absolute
    while site.clock() + 20 * 86_400_000 < until:
        site.clock.advance(seconds=20 * 86_400)
        token = refreshed(site, client, token)
        assert isinstance(retire(site, 1), Needed)
    site.clock.now = until
    assert overview(site)[1].retirable
    assert isinstance(retire(site, 1), Retired)


def test_without_a_date_of_activation_every_session_counts(site, client):
    """A row that was written by hand: better too careful."""
    roll_out(site)
    sign_in(site, client)
    with site.run.transactions.begin() as connection:
        connection.execute(update(SecretIdRow).values(activated_at=None))
    assert retire(site, 1).count == Count(0, 1, retire(site, 1).count.until)


# --- allowed --------------------------------------------------------------------------------------


def test_a_roll_out_is_given_up_by_retiring_what_is_not_active_yet(peopled):
    site, client = peopled
    token = sign_in(site, client)
    rotate(site)
    assert overview(site)[2].retirable
    assert retire(site, 2) == Retired(0, (DerivationSecretRetired(2, 0),))
    token = refreshed(site, client, token)
    assert parse(token).secret_id == 1
    assert rotate(site).secret_id == 3, "an id is never used again"
    assert rotate(site).secret_id == 3
    assert parse(refreshed(site, client, token)).secret_id == 3


def test_a_roll_out_from_which_a_host_has_derived_is_not_given_up_unnoticed(site, client):
    sign_in(site, client)
    rotate(site)
    with site.run.transactions.begin() as connection:
        connection.execute(update(SessionRow).values(secret_id=2))
    assert (retire(site, 2).count.current, overview(site)[2].retirable) == (1, False)
    assert retire(site, 2, force=True).sessions == 1


def test_a_retired_file_is_left_to_the_operator(site):
    roll_out(site)
    retire(site, 1)
    assert (site.run.settings.keys_dir / "refresh-1.secret").exists()
    assert overview(site)[1].held
    assert 1 not in site.run.ring().secrets


def test_retirement_is_in_the_audit_with_how_many_sessions_it_ended(site, client):
    sign_in(site, client)
    roll_out(site)
    retire(site, 1, force=True)
    with site.run.rotations.connect() as connection:
        query = "SELECT event, detail FROM audit ORDER BY id DESC LIMIT 1"
        row = connection.execute(text(query)).one()
    assert tuple(row) == ("derivation_secret_retired", "1, sessions ended: 1")


# --- forced ---------------------------------------------------------------------------------------


def test_force_ends_all_who_hold_tokens_of_it_and_nobody_else(peopled):
    site, client = peopled
    stays, moved = sign_in(site, client), sign_in(site, client)
    roll_out(site)
    moved_on = refreshed(site, client, moved)
    new = sign_in(site, client)
    assert retire(site, 1, force=True) == Retired(2, (DerivationSecretRetired(1, 2),))
    for token in (stays, moved, moved_on):
        answer = site.refresh(client, token)
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_grant")
        assert not site.introspect(client, token)["active"]
    refreshed(site, client, new)
    refreshed(site, client, sign_in(site, client))


def test_a_token_of_a_secret_that_is_gone_is_refused_as_such_and_not_as_forged(
    site, client, capsys
):
    token = sign_in(site, client)
    roll_out(site)
    retire(site, 1, force=True)
    capsys.readouterr()
    assert "reason" not in site.refresh(client, token).json
    (line,) = refusals(capsys)
    assert f'"why": "{Refusal.SECRET_GONE}"' in line
    assert '"rule": "R1"' in line
    assert site.revoke(client, token).status_code == 200, "as any unknown token"


def test_access_tokens_of_ended_sessions_are_inactive_at_once(site, client):
    tokens = site.sign_in(client)
    roll_out(site)
    assert site.introspect(client, tokens["access_token"])["active"]
    retire(site, 1, force=True)
    assert not site.introspect(client, tokens["access_token"])["active"]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("statement", ["UPDATE sessions", "UPDATE secret_ids", "INSERT INTO audit"])
def test_a_forced_retirement_that_is_killed_is_completed_by_the_next(peopled, statement):
    """Sessions end first: a secret that is retired has left none of them alive."""
    site, client = peopled
    tokens = [sign_in(site, client) for _ in range(3)]
    roll_out(site)

    def strike(connection, cursor, sql, *_):
        if sql.startswith(statement):
            raise Killed

    event.listen(site.run.transactions, "before_cursor_execute", strike)
    with pytest.raises(Killed):
        retire(site, 1, force=True)
    event.remove(site.run.transactions, "before_cursor_execute", strike)
    site.run.transactions.dispose()
    assert overview(site)[1].entry.state.value == "known"
    refreshed(site, client, sign_in(site, client))
    assert isinstance(retire(site, 1, force=True), Retired)
    assert overview(site)[1].sessions == 0
    assert [site.refresh(client, token).status_code for token in tokens] == [400] * 3


def test_more_sessions_than_one_batch_are_all_ended(peopled):
    site, client = peopled
    sign_in(site, client)
    with site.run.transactions.begin() as connection:
        (row,) = connection.execute(text("SELECT * FROM sessions")).mappings().all()
        for number in range(BATCH):
            sid = number.to_bytes(16, "big")
            other = {**row, "sid": sid, "public_id": f"more-{number}", "status_list": None}
            connection.execute(insert(SessionRow).values(**other))
    roll_out(site)
    assert retire(site, 1, force=True).sessions == BATCH + 1


def test_a_secret_that_is_lost_for_good_is_replaced_and_its_people_sign_in_again(site, client):
    """The runbook: rotate, rotate, start, and give the lost one up."""
    lost = sign_in(site, client)
    (site.run.settings.keys_dir / "refresh-1.secret").unlink()
    roll_out(site)
    assert site.run.ceremony().establish(site.clock()) == ()
    assert site.refresh(client, lost).status_code == 503, "in case the file turns up"
    refreshed(site, client, sign_in(site, client))
    assert retire(site, 1, force=True).sessions == 1
    assert site.refresh(client, lost).status_code == 400


# --- the command line -----------------------------------------------------------------------------


def test_a_refusal_says_how_many_since_when_and_until_when(site, client):
    token = sign_in(site, client)
    sign_in(site, client)
    roll_out(site)
    refreshed(site, client, token)
    said = Console(site.app).refused("secrets", "retire", "1")
    assert said == (
        "derivation secret 1 is still needed; sessions with a token of it: 1; others begun before"
        " 2027-01-15T08:02:00+00:00: 1; the last is over by 2027-04-15T08:00:00+00:00;"
        " --force ends them"
    )


def test_force_says_how_many_sessions_it_ended_and_which_file_to_delete(site, client):
    sign_in(site, client)
    roll_out(site)
    said = Console(site.app).done("secrets", "retire", "1", "--force")
    assert said == (
        "derivation secret 1 is retired; sessions ended: 1."
        " Delete refresh-1.secret from the key directory of every host\n"
    )
    assert Console(site.app).refused("secrets", "retire", "1") == (
        "derivation secret 1 is retired already"
    )


@pytest.mark.parametrize("secret_id", ["0", "7", "256", "99999"])
def test_an_id_that_nobody_has_is_refused(site, secret_id):
    said = Console(site.app).refused("secrets", "retire", secret_id)
    assert said == f"there is no derivation secret {secret_id}"


@pytest.mark.parametrize(
    "options",
    [
        ["secrets"],
        ["secrets", "retire"],
        ["secrets", "retire", "one"],
        ["secrets", "retire", "1", "--now"],
        ["secrets", "rotate", "1"],
    ],
)
def test_a_wrong_call_is_a_usage_error(site, options):
    assert Console(site.app)(*options).exit_code == 2
