"""An SQLite file is replaced by a copy that was made before."""

import contextlib
import shutil
import sqlite3

import pytest

from tests.failover.losses import JSON_LINES, Endings, ahead, healed
from tests.flows.enrolment import enrol
from tests.flows.loops import Refresher
from tests.live import LiveServer
from tests.scale import record, scaled

pytestmark = pytest.mark.proof

SESSIONS, ROTATIONS = scaled(4, 20), scaled(5, 20)
CLOCK = "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"


def back_up(file, copy) -> str:
    """While the server runs. The time of it."""
    with (
        contextlib.closing(sqlite3.connect(file)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        return source.execute(CLOCK).fetchone()[0]


def restore(file, copy) -> None:
    """What lies beside the file belongs to the other one."""
    for beside in ("", "-wal", "-shm"):
        file.with_name(file.name + beside).unlink(missing_ok=True)
    shutil.copyfile(copy, file)


def generations(file) -> dict[str, int]:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return dict(connection.execute("SELECT public_id, gen FROM sessions"))


def test_after_a_restore_sessions_heal_and_what_had_ended_ends_again(tmp_path):
    file, copy = tmp_path / "perennial.db", tmp_path / "backup.db"
    with LiveServer(tmp_path, env=JSON_LINES) as server:
        account, endings = enrol(server), Endings(server)
        holders = [Refresher(account) for _ in range(SESSIONS)]
        quiet = Refresher(account)
        since = back_up(file, copy)
        for _ in range(ROTATIONS):
            for holder in holders:
                holder.refresh()
        endings.happen()
        assert [each.is_active() for each in endings.sessions] == [False] * 3
        server.stop()
        restore(file, copy)
        lost = ahead([*holders, quiet], generations(file))
        server.start()

        assert lost == {holder.session: ROTATIONS for holder in holders}
        for holder in [*holders, quiet]:
            holder.refresh()
            holder.refresh()
        signed_out = [each for each in [*holders, quiet] if not each.is_signed_in()]
        assert signed_out == []
        assert healed(server) == dict.fromkeys(lost, 1)

        assert [each.is_active() for each in endings.sessions] == [True] * 3, "the copy is older"
        done = endings.apply_again_in_a_process(since)
        assert done["sessions"]["applied"] + done["users"]["applied"] == 3
        assert [each.is_active() for each in endings.sessions] == [False] * 3
        reasons = [each.refresh().body["reason"] for each in endings.sessions]
        assert reasons == [each.reason for each in endings.sessions]
        assert all(each.is_signed_in() for each in [*holders, quiet])
    record(
        "fail-over",
        "SQLite, older copy",
        {
            "sessions": len(holders) + 1,
            "lost rotations": sum(lost.values()),
            "healed": len(lost),
            "sessions lost": len(signed_out),
            "endings lost": len(reasons),
            "endings applied again": len(reasons),
        },
    )
