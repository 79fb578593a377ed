"""People and clients for a live server, registered as its commands would, without their start-up."""

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

from app import create_app
from app.features.clients import use_case as clients
from app.features.clients.use_case import Registered, Wish
from app.features.users import use_case as users
from app.services.runtime import Runtime, runtime
from app.settings import load
from tests.flows.caller import Account, new_password
from tests.live import LiveServer


@contextlib.contextmanager
def beside(server: LiveServer) -> Iterator[Runtime]:
    """The product in this process, on the data of a live server."""
    run = runtime(create_app(load(server.env)))
    try:
        yield run
    finally:
        run.transactions.dispose()
        run.rotations.dispose()


def enrol(server: LiveServer, **wish: Any) -> Account:
    """A new person, and a client with the password and refresh grants unless told otherwise."""
    wanted = {"name": "Test", "scope": "read write", **wish}
    if "resource" not in wanted:
        wanted.setdefault("grants", ("password", "refresh_token"))
    username, password = f"user-{secrets.token_hex(4)}", new_password()
    with beside(server) as run:
        users.create(run, username, None, password)
        made = clients.register(run, Wish(**wanted))
    assert isinstance(made, Registered), made
    return Account(server.url, made.client.client_id, made.secret, username, password)
