"""Scripts for Node that talk with a test by their pipes."""

import contextlib
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

SECONDS = 120


@contextlib.contextmanager
def running(
    script: Path, *args: str, env: Mapping[str, str], cwd: Path
) -> Iterator[subprocess.Popen[str]]:
    """A process that has to end well, and within two minutes; `cwd` gets what it complains of."""
    log = cwd / "node.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [shutil.which("node"), script, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=dict(env),
            cwd=cwd,
            text=True,
            bufsize=1,
        )
        watch = threading.Timer(SECONDS, process.kill)
        watch.start()
        with process:
            yield process
        watch.cancel()
    assert process.returncode == 0, log.read_text()
