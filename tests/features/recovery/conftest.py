"""A database that was restored, the log of what it has forgotten, and the command."""

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text

from app.cli import db
from app.core.events import Event
from tests.console import Console
from tests.site import Site


def written(event: Event, at: int) -> str:
    """The line that tells of an event."""
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    moment = datetime.fromtimestamp(at / 1000, UTC).isoformat()
    return json.dumps({"at": moment, "event": event.name, **fields}) + "\n"


class Restored:
    """A site and `perennial db restored` on its database."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        site.app.cli.add_command(db)
        self.perennial = Console(site.app)
        self._folder = folder

    def log(self, text: str, name: str = "server.log") -> str:
        path = self._folder / name
        path.write_text(text)
        return str(path)

    def apply(self, text: str, since: str = "0") -> dict[str, Any]:
        """What the command reports when there is nothing to complain about."""
        log = self.log(text)
        return self.perennial.json("db", "restored", "--since", since, "--log", log)

    def apply_events(self, *events: Event) -> dict[str, Any]:
        """The same for events that were written just now."""
        return self.apply("".join(written(event, self.site.clock()) for event in events))

    def sessions(self) -> dict[str, str]:
        """The reasons of those that have ended, by public id."""
        with self.site.run.rotations.connect() as connection:
            query = text("SELECT public_id, revoke_reason FROM sessions ORDER BY created_at")
            return {row.public_id: row.revoke_reason for row in connection.execute(query)}

    def everything(self) -> dict[str, list[Any]]:
        """Every row of every table but the status lists, which each run closes."""
        with self.site.run.rotations.connect() as connection:
            rows = "SELECT * FROM {} ORDER BY 1".format
            return {
                name: connection.execute(text(rows(name))).all()
                for name in inspect(connection).get_table_names()
                if name != "status_lists"
            }


@pytest.fixture
def restored(site, tmp_path) -> Restored:
    """On a database with alice in it."""
    site.user()
    return Restored(site, tmp_path)
