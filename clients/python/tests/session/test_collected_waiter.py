"""A waiter is never left hanging."""

import subprocess
import sys
import textwrap


def test_a_waiter_that_is_collected_in_the_middle_of_a_call_does_not_stop_the_program():
    program = """
        import asyncio, faulthandler, gc, os, threading, warnings
        warnings.simplefilter("ignore")
        faulthandler.dump_traceback_later(15, exit=True)
        from perennial import Endpoints, Session, SessionError
        from perennial.messages import Response
        go = threading.Event()
        def transport(request):
            go.wait(60)
            return Response(503, {}, b"{}")
        session = Session(client_id="c", endpoints=Endpoints("https://id.example.com/token"), transport=transport)
        session.adopt({"access_token": "a", "refresh_token": "r", "expires_in": 0.001})
        while (session.times.access_token_left or 0) > 0:
            pass
        async def abandoned():
            waiting = session.atoken(timeout=50)
            cycle = [waiting]
            cycle.append(cycle)
            waiting.send(None)  # begins to wait, as a task of a loop that is closed under it
        gc.disable()
        asyncio.run(abandoned())
        notice = session._engine.book.notice
        def collecting():  # any allocation in there may do it
            gc.collect()
            notice()
        session._engine.book.notice = collecting
        try:
            session.token(timeout=0)
        except SessionError:
            pass
        print("fine", flush=True)
        os._exit(0)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ran.stdout == "fine\n", ran.stderr[-1500:]
