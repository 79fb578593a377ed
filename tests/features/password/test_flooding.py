"""Nobody buys more guesses by failing elsewhere."""

from app.protocol.clients import FAILED_SECRETS


def guess(site, client):
    return site.token(client, grant_type="password", username="alice", password="wrong").status_code


def test_failed_clients_push_no_sign_in_out_of_memory(site):
    site.user()
    client = site.client()
    assert [guess(site, client) for _ in range(20)] == [400] * 20
    for number in range(50_000):
        site.run.client_failures.record(FAILED_SECRETS, f"203.0.113.9 {number}", site.clock())
    assert guess(site, client) == 429


def test_the_addresses_of_one_ipv6_network_share_their_guesses(make_site):
    site = make_site(trusted_proxies=1)
    site.user()
    client = site.client()

    def guess_from(address):
        headers = {"X-Forwarded-For": address}
        wrong = {"grant_type": "password", "username": "alice", "password": "wrong"}
        return site.post("/oauth/token", wrong, client, headers).status_code

    assert [guess_from(f"2001:db8:1:2::{n:x}") for n in range(1, 21)] == [400] * 20
    assert guess_from("2001:db8:1:2:ffff::1") == 429
    assert guess_from("2001:db8:1:3::1") == 400
