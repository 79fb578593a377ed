"""A PostgreSQL that can be stopped and started again on the same data."""

import os
import signal
from pathlib import Path

from tests.servers import Child, PostgreSQL, _accepts


class RestartablePostgreSQL(PostgreSQL):
    def restart(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT ends it at once and lets the next start recover; SIGINT ends it in order."""
        scratch = self._socket
        command = Path(f"/proc/{self.pid}/cmdline").read_text().split("\0")[:-1]
        owner = scratch.stat()
        user = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        popen = {"cwd": scratch, "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}}
        self._child._scratch = None  # the data stays
        self._child.stop(how)
        popen |= user if os.geteuid() == 0 else {}
        self._child = Child(command, log=scratch / "log", scratch=scratch, **popen)
        self.pid = self._child.pid
        self._child.until_ready(lambda: _accepts(scratch))
