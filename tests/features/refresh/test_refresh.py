"""Refreshing over HTTP: what a client sees."""


def test_a_refresh_brings_the_next_token_and_a_new_access_token(any_site):
    any_site.user()
    client = any_site.client()
    first = any_site.sign_in(client)
    second = any_site.refresh(client, first["refresh_token"])
    assert second.status_code == 200
    assert second.json["refresh_token"] != first["refresh_token"]
    assert second.json["access_token"] != first["access_token"]
