"""Registering clients by commands, and whether their secrets open the door."""

from tests.site import basic

CREATE = ("client", "create", "--name", "App")


def grants(*names) -> list[str]:
    return [part for name in names for part in ("--grant", name)]


def authenticates(site, client_id, secret) -> bool:
    answer = site.http.post(
        "/oauth/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": basic(client_id, secret)},
    )
    assert answer.status_code in {200, 401}, answer.text
    return answer.status_code == 200
