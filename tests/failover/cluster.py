"""A PostgreSQL primary and a standby that follows it, to part them and to lose the primary."""

import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from tests.servers import PostgreSQL, accepts, fast_directory, give, wait_until

DBNAME = "perennial"
IDLE = """
SELECT 1 FROM pg_stat_activity WHERE backend_type = 'startup'
AND wait_event IN ('RecoveryWalStream', 'RecoveryRetrieveRetryInterval')
AND NOT EXISTS (SELECT 1 FROM pg_stat_wal_receiver)
"""


class Pair:
    """The primary, and a streaming standby that is asynchronous unless told otherwise."""

    def __init__(self) -> None:
        with contextlib.ExitStack() as undo:
            self._primary = PostgreSQL()
            undo.callback(self._primary.stop)
            self.execute(f"CREATE DATABASE {DBNAME}")
            self._standby = Path(tempfile.mkdtemp(prefix="perennial-", dir=fast_directory()))
            undo.callback(shutil.rmtree, self._standby, ignore_errors=True)
            give(self._standby)
            installed, data = self._primary.installation, self._standby / "data"
            source = ("-h", self._primary.socket, "-U", "postgres")
            copying = ("--write-recovery-conf", "--checkpoint=fast", "--no-sync")
            installed.run("pg_basebackup", "-D", data, *source, *copying)
            self._child = installed.serve(data, self._standby, "max_connections=120")
            undo.callback(self._child.stop, signal.SIGINT)
            self._child.until_ready(lambda: accepts(self._standby))
            wait_until(lambda: self.replicas() == ["async"], "a standby that streams")
            self._undo = undo.pop_all()

    def stop(self) -> None:
        self._undo.close()

    @property
    def url(self) -> str:
        """Both hosts, the standby first: every connection has to pass it by."""
        return f"{self.standby_url}&host={self._primary.socket}"

    @property
    def standby_url(self) -> str:
        return f"postgresql+psycopg://postgres@/{DBNAME}?host={self._standby}"

    def execute(self, statement: str, dbname: str = "postgres") -> list[tuple[Any, ...]]:
        """On the primary."""
        return _execute(self._primary.socket, statement, dbname)

    def ask_standby(self, statement: str, dbname: str = "postgres") -> list[tuple[Any, ...]]:
        return _execute(self._standby, statement, dbname)

    def generations(self) -> dict[str, int]:
        """What the standby knows, by the sessions' ids."""
        return dict(self.ask_standby("SELECT public_id, gen FROM sessions", DBNAME))

    def replicas(self) -> list[str]:
        """How each standby that streams is counted: `async` or `sync`."""
        states = self.execute("SELECT sync_state FROM pg_stat_replication WHERE state='streaming'")
        return [state for (state,) in states]

    def synchronize(self) -> None:
        """From now on a commit is answered when the standby has it, unless it is asynchronous."""
        self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.execute("SELECT pg_reload_conf()")
        wait_until(lambda: self.replicas() == ["sync"], "a synchronous standby")

    def part(self) -> str:
        """All until now reaches the standby, and nothing later. The time of its last transaction,
        as the operator of a promoted standby learns it.
        """
        ((written,),) = self.execute("SELECT pg_current_wal_insert_lsn()")
        reached = f"SELECT pg_last_wal_replay_lsn() >= '{written}'"
        wait_until(lambda: self.ask_standby(reached)[0][0], "a standby that knows everything")
        self.ask_standby("ALTER SYSTEM SET primary_conninfo = ''")
        self.ask_standby("SELECT pg_reload_conf()")
        wait_until(lambda: not self.replicas(), "a primary without a standby")
        wait_until(lambda: self.ask_standby(IDLE), "a standby that has applied what it got")
        ((last,),) = self.ask_standby("SELECT pg_last_xact_replay_timestamp()")
        return last.isoformat()

    def crash(self) -> None:
        """SIGQUIT: all processes of the primary end at once, and what is in memory is lost.
        SIGKILL would do the same and leave its shared memory behind.
        """
        os.kill(self._primary.pid, signal.SIGQUIT)
        os.waitid(os.P_PID, self._primary.pid, os.WEXITED | os.WNOWAIT)

    def promote(self) -> None:
        ((promoted,),) = self.ask_standby("SELECT pg_promote()")
        assert promoted


def _execute(socket: Path, statement: str, dbname: str) -> list[tuple[Any, ...]]:
    connection = psycopg.connect(host=str(socket), user="postgres", dbname=dbname, autocommit=True)
    with contextlib.closing(connection):
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []
