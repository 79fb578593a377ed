"""A copy so old that it takes every session for idle."""

DAY = 86_400


def test_a_session_heals_though_the_copy_takes_it_for_idle(any_site, duplicate):
    site, client = any_site, any_site.client()
    site.user()
    used, unused = (site.sign_in(client)["refresh_token"] for _ in range(2))
    copy = duplicate(site, "older.db")
    for _ in range(4):
        site.clock.advance(seconds=10 * DAY)
        used = site.refresh(client, used).json["refresh_token"]
    copy.clock.now = site.clock()
    assert copy.introspect(client, used)["active"]
    healed = copy.refresh(client, used)
    assert healed.status_code == 200, healed.text
    assert copy.refresh(client, healed.json["refresh_token"]).status_code == 200
    assert copy.refresh(client, unused).json["reason"] == "session_idle"
