"""A refresh beside everything that may happen to its session, judged by what clients saw.

Real workers, callers in processes of their own, both databases. `tests.races.history` is the judge.
"""

import json
import random
import time
from functools import partial

import jwt
import pytest
from sqlalchemy import text

from app.core.refresh_token import parse
from tests.flows.caller import Caller, new_password
from tests.flows.enrolment import beside, enrol
from tests.races.crowd import crowd_of, in_threads
from tests.races.history import End
from tests.races.party import Party
from tests.scale import record, scaled
from tests.servers import wait_until

pytestmark = pytest.mark.proof

CROWD = 8
CALLERS = 3  # beside a command, which needs a processor too
ROUNDS = scaled(25, 500)
REVOCATIONS = scaled(2, 40)
COMMANDS = scaled(1, 5)
NOTICED = 5  # seconds, CONTRACT section 5


@pytest.fixture(scope="module")
def crowd():
    with crowd_of(CROWD + 1) as crowd:
        yield crowd


def system(server):
    return server.env["PERENNIAL_DATABASE_URL"].partition(":")[0].partition("+")[0]


def current_and_parent(party, names):
    return {
        name: {number for number in (newest - 1, newest) if number}
        for name in names
        if (newest := party.current[name].generation)
    }


@pytest.mark.clause("rfc9700-4.14.2-04")
def test_processes_presenting_one_token_share_one_successor_round_after_round(server, crowd):
    account = enrol(server)
    party = Party(crowd, CROWD)
    (name,) = party.sign_in(account, 1)
    for _ in range(ROUNDS):
        party.round()
    assert party.look_at_everything() == {name: {ROUNDS, ROUNDS + 1}}
    assert party.violations() == []
    assert party.statuses([name]) == {200}
    generations = [each.generation for each in party.released(name)[0]]
    assert generations == list(range(1, ROUNDS + 2)), "one generation for each round"
    with beside(server) as run, run.rotations.connect() as connection:
        stored = connection.execute(
            text("SELECT gen, revoked_at FROM sessions WHERE client_id = :id"),
            {"id": account.client_id},
        ).one()
    assert stored == (ROUNDS + 1, None)
    figures = {"operations": len(party.history), "refreshes": ROUNDS * CROWD}
    record("races", f"refresh and refresh, {system(server)}", figures)


@pytest.mark.clause("rfc7009-2.1-07", "rfc7009-2.2-01", "rfc7662-4-04")
def test_after_a_revocation_no_refresh_that_starts_later_succeeds(server, crowd):
    """By a token of any generation, sooner or later within a round."""
    account = enrol(server)
    seen = ends = 0
    for _ in range(REVOCATIONS):
        party = Party(crowd, CROWD)
        victims, (spared,) = party.sign_in(account, 4), party.sign_in(account, 1)
        party.round()

        def revoke_each(party=party, victims=victims):
            caller = Caller(account)
            done = []
            for name in victims:
                known = random.choice(party.released(name)[0])
                for _ in range(random.randrange(4)):
                    caller.is_active(known.text)  # so that no two revocations come alike
                began = time.monotonic()
                assert caller.revoke(known.text).status == 200
                done.append(End(frozenset({name}), began, time.monotonic(), "revoke"))
            caller.close()
            return done

        ends += len(party.meanwhile(revoke_each))
        judge(party, victims, spared)
        seen += len(party.history)
    record("races", f"refresh and revoke, {system(server)}", {"operations": seen, "ends": ends})


def judge(party, victims, spared):
    active = party.look_at_everything()
    assert party.violations() == []
    assert active == {
        **{name: set() for name in victims},
        **current_and_parent(party, [spared]),
    }
    assert party.statuses(victims) == {200, 400}, "the end came while it was refreshed"
    assert party.statuses([spared]) == {200}


COMMANDS_THAT_END = {
    "log out everywhere": ("session", "revoke-all", "--user", "{}"),
    "change the password": ("user", "set-password", "{}", "--password-stdin"),
    "disable the user": ("user", "disable", "{}"),
}


def test_after_a_command_ended_everything_no_refresh_that_starts_later_succeeds(server, crowd):
    """Its moment comes while the command runs: what one worker has refused no other serves."""
    seen = ends = 0
    for _ in range(COMMANDS):
        party = Party(crowd, CALLERS)
        people = {how: enrol(server) for how in COMMANDS_THAT_END}
        names = {how: party.sign_in(account, 2) for how, account in people.items()}
        (spared,) = party.sign_in(enrol(server), 1)

        def end_everything(how, people=people, names=names):
            command = [part.format(people[how].username) for part in COMMANDS_THAT_END[how]]
            began = time.monotonic()
            done = server.cli(*command, input=new_password())
            assert done.returncode == 0, done.stderr
            return End(frozenset(names[how]), began, time.monotonic(), how)

        commands = [partial(end_everything, how) for how in COMMANDS_THAT_END]
        ended = party.meanwhile(lambda commands=commands: in_threads(commands))
        assert all(ended), "every command did its work"
        judge(party, [name for each in names.values() for name in each], spared)
        ends += len(ended)
        seen += len(party.history)
    pair = f"refresh and {', '.join(COMMANDS_THAT_END)}, {system(server)}"
    record("races", pair, {"operations": seen, "ends": ends})


@pytest.mark.clause("rfc7517-4.5-01")
def test_a_rotation_of_the_signing_key_is_not_noticed_by_anyone_who_refreshes(server, crowd):
    party = Party(crowd, CALLERS)
    names = party.sign_in(enrol(server), 2)
    for _ in range(COMMANDS):
        party.round()
        before = signed_by(party, names[0])
        done = party.meanwhile(lambda: server.cli("keys", "rotate", "--now"))
        assert done.returncode == 0, done.stderr

        def another_key_signs(before=before):
            party.round()
            return signed_by(party, names[0]) != before

        wait_until(another_key_signs, "tokens signed by the promoted key", seconds=NOTICED)
    active = party.look_at_everything()
    assert party.violations() == []
    assert active == current_and_parent(party, names)
    assert party.statuses(names) == {200}
    figures = {"operations": len(party.history), "rotations": COMMANDS}
    record("races", f"refresh and key rotation, {system(server)}", figures)


def signed_by(party, name):
    newest = party.released(name)[1][-1]
    return jwt.get_unverified_header(newest.text)["kid"]


def test_a_new_derivation_secret_is_not_noticed_by_anyone_who_refreshes(server, crowd):
    """It is made known and then active, while workers learn of it one after the other (I15)."""
    account = enrol(server)
    party = Party(crowd, CALLERS)
    names = party.sign_in(account, 2)
    resting = Caller(account)
    old = resting.sign_in()["refresh_token"]
    resting.close()  # it rests for longer, perhaps, than a server keeps a connection
    for _ in range(COMMANDS):
        for state in ("known", "active"):
            done = party.meanwhile(lambda: server.cli("secrets", "rotate", "--json"))
            assert done.returncode == 0, done.stderr
            made = json.loads(done.stdout)
            assert made["state"] == state

        def is_derived_with(secret=made["id"]):
            party.round()
            return all(parse(party.current[name].text).secret_id == secret for name in names)

        wait_until(is_derived_with, "tokens of the new secret", seconds=NOTICED)
    active = party.look_at_everything()
    assert party.violations() == []
    assert active == current_and_parent(party, names)
    assert party.statuses(names) == {200}
    assert resting.refresh(old).status == 200, "a token of before is still good"
    resting.close()
    figures = {"operations": len(party.history), "rotations": COMMANDS}
    record("races", f"refresh and secret rotation, {system(server)}", figures)
