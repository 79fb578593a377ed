"""Several people on one machine, whose sessions know nothing of each other."""

import pytest

from clients.python.tests.session.world import ISSUER, answer
from perennial.accounts import Account, Accounts
from perennial.errors import ReauthRequired, SignedOut, StorageError
from perennial.messages import Request
from perennial.stores.memory import MemoryStore

ALICE = Account(ISSUER, "app", "alice")
OTHERS = [
    Account(ISSUER, "app", "bob"),
    Account(ISSUER, "other", "alice"),
    Account("https://b.example.com", "app", "alice"),
]


@pytest.fixture
def stores():
    """One for each path, for all who open it."""
    made = {}

    def store(path):
        return made.setdefault(path, MemoryStore())

    store.made = made
    return store


@pytest.fixture
def accounts(party, stores, tmp_path):
    def make():
        return Accounts(tmp_path, store=stores, transport=transport(party), clock=party.clock)

    return make


def transport(party):
    def carry(request):
        url = request.url.replace("https://b.example.com", ISSUER)
        said = party.server(Request(url, request.timeout, 9, request.headers, request.body))
        if url == request.url:
            return said
        return answer(party.server.metadata | {"issuer": "https://b.example.com"})

    return carry


def sign_in(accounts, account):
    session = accounts.get(account)
    session.adopt({"access_token": f"of {account}", "token_type": "Bearer"})
    return session


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_every_part_of_the_name_tells_sessions_apart(accounts, other):
    made = accounts()
    sign_in(made, ALICE)
    with pytest.raises(SignedOut):
        made.get(other).token()
    sign_in(made, other)
    assert made.get(ALICE).token() == f"of {ALICE}"
    assert made.get(other).token() == f"of {other}"
    made.remove(other)
    assert made.get(ALICE).token() == f"of {ALICE}"


def test_all_who_ask_share_one_session(accounts):
    made = accounts()
    assert made.get(ALICE) is made.get(Account(ISSUER, "app", "alice"))


def test_only_where_somebody_signed_in_is_listed(accounts):
    made = accounts()
    assert made.list() == ()
    made.get(ALICE)
    assert made.list() == ()
    for account in [ALICE, *OTHERS]:
        sign_in(made, account)
    assert made.list() == tuple(sorted([ALICE, *OTHERS]))
    assert accounts().list() == made.list(), "by other processes too"


def test_what_cannot_be_understood_is_not_listed(accounts, tmp_path):
    made = accounts()
    sign_in(made, ALICE)
    for number, text in enumerate(["", "[]", "{", '{"issuer": "x"}', "\xff"]):
        (tmp_path / f"{number}.account").write_text(text, encoding="latin-1")
    assert made.list() == (ALICE,)


def test_a_removed_account_does_not_come_back_from_another_process(accounts):
    made, other = accounts(), accounts()
    sign_in(made, ALICE)
    there = other.get(ALICE)
    assert there.token() == f"of {ALICE}"
    made.remove(ALICE)
    assert made.list() == other.list() == ()
    there.restore()
    with pytest.raises(SignedOut):
        there.token()
    with pytest.raises(SignedOut):
        made.get(ALICE).token()


def test_a_session_that_ended_is_still_listed(accounts, party):
    made = accounts()
    made.get(ALICE).sign_in_with_password("alice", "correct horse")
    party.clock.advance(900)
    party.server.ended = "session_idle"
    with pytest.raises(ReauthRequired):
        made.get(ALICE).token()
    assert made.list() == (ALICE,)


def test_nothing_is_written_before_a_sign_in(accounts, tmp_path):
    accounts().get(ALICE)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_its_owners_alone(party, stores, tmp_path):
    made = Accounts(tmp_path / "a" / "b", store=stores, transport=party.server, clock=party.clock)
    sign_in(made, ALICE)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_written_is_said(stores, tmp_path):
    (tmp_path / "file").write_text("")
    made = Accounts(tmp_path / "file", store=stores)
    with pytest.raises(StorageError):
        made.keep(ALICE)
