"""Sessions in every state that a refresh tells apart, each made in a few milliseconds."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from werkzeug.test import TestResponse

from app.core.rotation import Rule
from app.core.sessions import Session
from app.features.clients.use_case import Registered
from app.protocol import sign_in
from app.protocol.requested import Coverage
from app.protocol.sign_in import Device
from app.store import users
from tests.faults.calls import unwatched
from tests.faults.driver import Line
from tests.site import STARTED, Site

WINDOW = 60
LATER = WINDOW + 3600
INTERVAL = 30
KEY = "written-down-before-it-was-sent"
SWAP = "execute UPDATE sessions"


class World:
    """A site whose line to the database can fail, and another host on the same data."""

    def __init__(self, site: Site, other: Site) -> None:
        self.site, self.other, self.line = site, other, Line()
        self.line.attach(site.run.rotations, site.run.transactions)
        other.user()
        self.client = other.client()
        self.patient = other.client(min_rotation_interval=INTERVAL)
        with other.run.rotations.connect() as connection:
            self._person = users.find_by_name(connection, "alice")
        self._kept = self.token(self.session(self.client), 1)

    @property
    def on_sqlite(self) -> bool:
        return self.site.run.rotations.dialect.name == "sqlite"

    def session(self, client: Registered) -> Session:
        run, now = self.other.run, self.other.clock.now
        session = sign_in.draft(run, client.client, self._person, Coverage("read write", ()), now)
        with run.rotations.connect() as connection:
            sign_in.store(connection, run, session, Device())
        return session

    def token(self, session: Session, generation: int) -> str:
        """The one string that this generation of the session ever has (I3)."""
        ring = self.other.run.ring()
        return ring.mint(session.secret_id, session.sid, session.salt, generation)

    def set_clock(self, milliseconds: int) -> None:
        self.site.clock.now = self.other.clock.now = milliseconds

    def advance(self, seconds: float) -> None:
        self.set_clock(self.site.clock.now + round(seconds * 1000))

    def warm(self) -> None:
        """Caches filled and connections open, whatever the last fault left behind."""
        self._reconnect()
        self._kept = until_answered(lambda: self.site.refresh(self.client, self._kept)).json[
            "refresh_token"
        ]
        for client in (self.client, self.patient):
            self.site.run.registry.client(client.client.client_id, self.site.clock.now)

    def _reconnect(self) -> None:
        for engine in (self.site.run.transactions, self.site.run.rotations):
            with contextlib.suppress(DBAPIError), engine.connect() as connection:
                connection.execute(text("SELECT 1"))

    def cool(self) -> None:
        """As after a start: no connection, no key, no client is known yet."""
        self.site.close()
        self.site.run.keystore.forget()
        self.site.run.registry._clients.clear()


@dataclass
class Scene:
    """One session in one state, and the request that meets the fault.

    `within` and `later` are the generations whose token a repetition inside the window, and one
    with the same key long after it, must get. The request carries the key in every scene.
    """

    world: World
    session: Session
    rule: Rule
    presents: int
    within: int = 2
    later: int = 2
    client: Registered = field(init=False)
    overtaken: bool = False
    keyed: bool = False

    def __post_init__(self) -> None:
        patient = self.session.client_id == self.world.patient.client.client_id
        self.client = self.world.patient if patient else self.world.client

    def request(self, *, key: str | None = KEY) -> Callable[[], TestResponse]:
        """The request, ready to be sent."""
        token = self.world.token(self.session, self.presents)
        return lambda: self.world.site.refresh(self.client, token, key=key)

    def elsewhere(self) -> None:
        """The same request, answered by the other host."""
        token = self.world.token(self.session, self.presents)
        answer = self.world.other.refresh(self.client, token, key=KEY)
        assert answer.status_code == 200, answer.text

    def overtake(self, label: str) -> None:
        """Another host rotates in front of the swap."""
        if self.overtaken and label == SWAP:
            self.overtaken = False
            unwatched(self.elsewhere)

    def row(self) -> dict[str, Any]:
        query = text("SELECT gen, revoked_at, revoke_reason FROM sessions WHERE public_id = :id")
        audit = text("SELECT event FROM audit WHERE session = :id")
        name = {"id": self.session.public_id}
        with self.world.other.run.rotations.connect() as connection:
            (row,) = connection.execute(query, name).mappings().all()
            audited = connection.execute(audit, name).scalars().all()
        return {**row, "audit": list(audited)}


def rotates(world: World) -> Scene:
    return Scene(world, world.session(world.client), Rule.R5_CURRENT, presents=1)


def repeats(world: World) -> Scene:
    scene = Scene(world, world.session(world.client), Rule.R6_IN_WINDOW, presents=1)
    scene.elsewhere()
    return scene


def repeats_by_key(world: World) -> Scene:
    session = world.session(world.client)
    scene = Scene(world, session, Rule.R6K_SAME_REQUESTER, presents=1, keyed=True)
    scene.elsewhere()
    world.advance(seconds=WINDOW + 1)
    return scene


def comes_too_soon(world: World) -> Scene:
    scene = Scene(world, world.session(world.patient), Rule.R4_TOO_SOON, presents=1, later=3)
    scene.elsewhere()
    scene.presents = 2
    return scene


def heals(world: World) -> Scene:
    session = world.session(world.client)
    return Scene(world, session, Rule.R8_AHEAD, presents=3, within=4, later=4)


def loses_the_race(world: World) -> Scene:
    session = world.session(world.client)
    return Scene(world, session, Rule.R5_CURRENT, presents=1, overtaken=True)


def is_reused(world: World) -> Scene:
    scene = Scene(world, world.session(world.client), Rule.R7_REUSED, presents=1)
    scene.elsewhere()
    scene.presents = 2
    scene.elsewhere()
    scene.presents = 1
    return scene


GRANTED = (rotates, repeats, repeats_by_key, comes_too_soon, heals, loses_the_race)


def until_answered(ask: Callable[[], TestResponse]) -> TestResponse:
    """The answer of a client that comes again when it is asked to, which need not be often."""
    for _ in range(3):
        answer = ask()
        if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            return answer
        assert int(answer.headers["Retry-After"]) >= 1
    raise AssertionError(f"asked to come again three times: {answer.text}")


def stage(world: World, path: Callable[[World], Scene], *, cold: bool = False) -> Scene:
    """The same beginning every time, so that the same calls follow."""
    world.set_clock(STARTED)
    scene = path(world)
    world.warm()
    if cold:
        world.cool()
    world.line.before = scene.overtake
    return scene
