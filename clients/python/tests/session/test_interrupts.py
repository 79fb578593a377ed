"""A waiter is never left hanging, whatever interrupts it."""

import subprocess
import sys
import textwrap
import threading

import pytest


def test_a_signal_handler_may_close_the_session():
    program = """
        import faulthandler, signal, time
        faulthandler.dump_traceback_later(15, exit=True)
        from perennial import Session, Endpoints
        session = Session(client_id="c", endpoints=Endpoints("https://id.example.com/token"))
        session.adopt({"access_token": "a", "refresh_token": "r", "expires_in": 9000})
        signal.signal(signal.SIGALRM, lambda *_: session.close())
        end, tries = time.monotonic() + 8, 0
        while time.monotonic() < end:
            tries += 1
            signal.setitimer(signal.ITIMER_REAL, 0.0001 + tries % 53 * 1e-5)
            for _ in range(300):
                session.token()
        print("fine")
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout == "fine\n", ran.stderr[-1500:]


def test_an_exception_while_the_thread_starts_does_not_end_all_refreshing(party, monkeypatch):
    session = party.signed_in()
    party.clock.advance(900)

    def interrupted(_):
        raise KeyboardInterrupt  # in `Thread.start`, which waits for the thread to run

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.token()
    assert session.token(timeout=2) == "a1"
