"""Children that do as they are told, and how they end."""

import os
import select
import signal
import sys
import threading
import traceback

SECONDS = 300


def forked_untraced():
    """As `os.fork`. What counts coverage takes a lock, which another thread may hold at that moment:
    the child's copy of it would stay taken.
    """
    tracing = sys.gettrace()
    sys.settrace(None)
    child = os.fork()
    if child:
        sys.settrace(tracing)
    else:
        threading.settrace(None)
    return child


def forked(work):
    """The process of a child that does `work`, and does not hang for ever."""
    child = forked_untraced()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        try:
            work()
        except BaseException:  # noqa: BLE001  # nothing of the child's may reach pytest
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return child


def ended(child):
    """Its exit status; negative: the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Pipe:
    """One byte says that a process is so far, or lets it go on."""

    def __init__(self):
        self.end, self.start = os.pipe()

    def say(self):
        os.write(self.start, b".")

    def wait(self):
        os.close(self.start)  # so that a process that died is not waited for
        assert select.select([self.end], [], [], SECONDS)[0], "nothing was said"
        assert os.read(self.end, 1), "the other side ended"
