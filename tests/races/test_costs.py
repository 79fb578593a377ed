"""What a refresh costs: statements by an engine event hook, signatures by a signer that counts."""

import contextlib
from dataclasses import replace
from types import MappingProxyType

import pytest
from sqlalchemy import event, text

from app.services.signer import Signer

GARBAGE = "prn_rt_" + "0" * 64


class CountingSigner(Signer):
    def __init__(self, signer: Signer) -> None:
        super().__init__(signer.kid, signer.alg, signer._sign)
        self.signatures = 0

    def sign(self, claims):
        self.signatures += 1
        return super().sign(claims)


class Meter:
    """Counts what a site does: the first words of its statements, and its signatures."""

    def __init__(self, site) -> None:
        self._statements: list[str] = []
        run = site.run
        for engine in (run.rotations, run.transactions):
            event.listen(engine, "before_cursor_execute", self._note)
        self._signer = CountingSigner(run.signer())
        snapshot = run.keystore._snapshot
        signers = MappingProxyType({self._signer.kid: self._signer})
        run.keystore._snapshot = replace(snapshot, signers=signers)

    def _note(self, connection, cursor, statement, *_):
        self._statements.append(statement.split()[0])

    @contextlib.contextmanager
    def reading(self):
        """The statements within the block, and how many signatures, once it has ended."""
        reading: list = []
        self._statements.clear()
        before = self._signer.signatures
        yield reading
        reading += [*self._statements, self._signer.signatures - before]


@pytest.fixture
def signed_in(any_site):
    """A warm site with a session: (site, client, a token with a parent, that parent)."""
    any_site.user()
    client = any_site.client()
    parent = any_site.sign_in(client)["refresh_token"]
    token = any_site.refresh(client, parent).json["refresh_token"]
    return any_site, client, token, parent


def cost(site, client, token, status=200, **how):
    meter = Meter(site)
    with meter.reading() as reading:
        answer = site.refresh(client, token, **how)
    assert answer.status_code == status, answer.text
    *statements, signatures = reading
    return statements, signatures


def test_a_rotation_is_one_select_one_update_and_one_signature(signed_in):
    site, client, token, _ = signed_in
    assert cost(site, client, token) == (["SELECT", "UPDATE"], 1)


def test_a_duplicate_is_one_select_and_one_signature(signed_in):
    site, client, _, parent = signed_in
    assert cost(site, client, parent) == (["SELECT"], 1)


def test_a_token_given_back_within_its_interval_is_one_select_and_one_signature(any_site):
    any_site.user()
    client = any_site.client(min_rotation_interval=5)
    token = any_site.sign_in(client)["refresh_token"]
    token = any_site.refresh(client, token).json["refresh_token"]
    assert cost(any_site, client, token) == (["SELECT"], 1)


def test_what_is_no_token_costs_nothing(signed_in):
    site, client, token, _ = signed_in
    assert cost(site, client, GARBAGE, 400) == ([], 0)
    assert cost(site, client, token[:-1], 400) == ([], 0)


def test_a_token_of_another_client_or_session_that_has_ended_costs_one_select(signed_in):
    site, client, token, _ = signed_in
    stranger = site.client()
    assert cost(site, stranger, token, 400) == (["SELECT", "SELECT"], 0), "the client is cold"
    assert cost(site, stranger, token, 400) == (["SELECT"], 0)
    site.revoke(client, token)
    assert cost(site, client, token, 400) == (["SELECT"], 0)


def test_a_scope_that_was_never_granted_costs_one_select(signed_in):
    site, client, token, _ = signed_in
    assert cost(site, client, token, 400, scope="admin") == (["SELECT"], 0)


def test_reuse_is_one_select_and_its_transaction(signed_in):
    site, client, token, parent = signed_in
    site.refresh(client, token)
    begin = ["BEGIN"] if site.run.transactions.dialect.name == "sqlite" else []
    expected = ["SELECT", *begin, "UPDATE", "INSERT"]
    assert cost(site, client, parent, 400) == (expected, 0)


def test_a_client_seen_for_the_first_time_costs_one_select_more(signed_in, make_any_site):
    _, client, token, _ = signed_in
    host = make_any_site()
    assert cost(host, client, token) == (["SELECT", "SELECT", "UPDATE"], 1)


def test_a_rotation_adds_no_row(signed_in):
    site, client, token, _ = signed_in

    def rows():
        with site.run.rotations.connect() as connection:
            tables = ("sessions", "audit", "denied_tokens", "signing_keys", "secret_ids")
            count = "SELECT count(*) FROM {}".format
            return [connection.execute(text(count(table))).scalar_one() for table in tables]

    before = rows()
    assert site.refresh(client, token).status_code == 200
    assert rows() == before


def test_introspection_reads_and_writes_nothing(signed_in):
    site, client, token, parent = signed_in
    meter = Meter(site)
    for presented in (token, parent, GARBAGE):
        with meter.reading() as reading:
            site.introspect(client, presented)
        assert set(reading) <= {"SELECT", 0}
