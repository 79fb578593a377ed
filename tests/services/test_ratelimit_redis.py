import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import redis

from app.services.ratelimit import Limit, SharedMemoryCounter, open_counter
from tests.servers import RedisServer, free_port
from tests.services.crowd import HOUR, HUNG, NOW, THREE, in_threads, never, record


def test_a_clock_that_jumps_to_and_fro_lets_nothing_grow(redis_server):
    redis_server.flush()
    counter = open_counter(redis_server.url(), never)
    for jump in range(50):
        record(counter, 5, NOW + (-1) ** jump * jump * HOUR)
    with redis.Redis.from_url(redis_server.url()) as client:
        (name,) = client.keys()
        assert client.zcard(name) == 3
        assert 0 < client.pttl(name) <= 2 * THREE.window


def test_two_hosts_that_share_a_redis_share_their_counts(redis_server):
    here, there = (
        open_counter(redis_server.url(), never, secret=b"of the two hosts") for _ in range(2)
    )
    assert record(here, 2) == [0, 0]
    assert record(there, 2) == [0, 60]
    assert here.retry_after(THREE, "ann", NOW) == 60


def test_redis_sees_no_key_in_clear_and_no_digest_that_others_could_compute(redis_server):
    redis_server.flush()
    for secret in (b"", b"one", b"two"):
        record(open_counter(redis_server.url(), never, secret=secret), 1, key="ann 192.0.2.7")
    with redis.Redis.from_url(redis_server.url()) as client:
        names = client.keys()
    assert len(names) == 3
    assert all(name.startswith(b"perennial:failures:") for name in names)
    assert not any(b"ann" in name or b"192" in name for name in names)


@pytest.fixture
def own_redis():
    """A Redis that a test may stop for a while (SIGSTOP): it accepts and never answers."""
    server = RedisServer()
    yield server
    os.kill(server.pid, signal.SIGCONT)
    server.stop()


@pytest.fixture
def reports():
    return []


def test_without_redis_a_host_counts_alone_and_says_so_once_per_rest(reports):
    counter = open_counter(f"redis://:hidden@127.0.0.1:{free_port()}", reports.append)
    start = time.monotonic()
    assert record(counter, 4) == [0, 0, 0, 60]
    assert time.monotonic() - start < 0.5
    assert counter.retry_after(THREE, "ann", NOW + 4_999) == 56
    assert len(reports) == 1
    assert "Redis" in reports[0]
    assert "hidden" not in reports[0]
    assert counter.retry_after(THREE, "ann", NOW + 5_000) == 55
    assert len(reports) == 2


def test_a_redis_that_hangs_is_given_up_within_a_moment_and_asked_again_later(own_redis, reports):
    counter = open_counter(own_redis.url(), reports.append)
    assert record(counter, 2) == [0, 0]
    os.kill(own_redis.pid, signal.SIGSTOP)
    start = time.monotonic()
    assert record(counter, 4, NOW + 1) == [0, 0, 0, 60]
    assert time.monotonic() - start < 0.7
    assert len(reports) == 1
    os.kill(own_redis.pid, signal.SIGCONT)
    assert record(counter, 1, NOW + 5_000) == [56]  # resting still, with the host's own window
    with redis.Redis.from_url(own_redis.url()) as client:
        client.flushall()
    assert record(counter, 4, NOW + 5_001) == [0, 0, 0, 60]
    assert len(reports) == 1


def test_a_clock_set_back_does_not_keep_redis_resting(own_redis, reports):
    counter = open_counter(own_redis.url(), reports.append)
    os.kill(own_redis.pid, signal.SIGSTOP)
    record(counter, 3, NOW + HOUR)
    os.kill(own_redis.pid, signal.SIGCONT)
    with redis.Redis.from_url(own_redis.url()) as client:
        client.flushall()
        assert record(counter, 1) == [0]
        assert client.dbsize() == 1


def test_threads_that_find_redis_gone_together_report_it_once(reports):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        counter = open_counter(f"redis://127.0.0.1:{silent.getsockname()[1]}", reports.append)
        waits = in_threads(8, lambda: counter.record(THREE, "ann", NOW))
    assert sorted(waits) == [0, 0, 0, 60, 60, 60, 60, 60]
    assert len(reports) == 1


def test_a_redis_that_became_a_replica_counts_as_gone(own_redis, reports):
    with redis.Redis.from_url(own_redis.url()) as client:
        client.replicaof("127.0.0.1", free_port())
    counter = open_counter(own_redis.url(), reports.append)
    assert record(counter, 4) == [0, 0, 0, 60]
    assert len(reports) == 1


def test_a_redis_that_forgot_its_scripts_is_taught_again(own_redis):
    counter = open_counter(own_redis.url(), never)
    record(counter, 3)
    with redis.Redis.from_url(own_redis.url()) as client:
        client.script_flush()
        client.connection_pool.disconnect()
    assert counter.retry_after(THREE, "ann", NOW) == 60


def test_without_a_url_nothing_is_asked_of_redis():
    assert isinstance(open_counter(None, never), SharedMemoryCounter)
    assert record(open_counter(None, never, largest=30), 1, limit=Limit("30", 30, 1)) == [0]


def test_opening_a_counter_does_not_wait_for_redis(reports):
    open_counter(f"redis://127.0.0.1:{free_port()}", reports.append)
    assert reports == []


def test_a_process_that_ends_with_a_counter_complains_about_nothing(redis_server):
    program = (
        "from app.services.ratelimit import Limit, open_counter\n"
        f"counter = open_counter({redis_server.url()!r}, print)\n"
        "counter.record(Limit('x', 3, 1000), 'ann', 1)\n"
    )
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=HUNG)
    assert (ended.stdout, ended.stderr) == ("", "")


def test_a_redis_too_busy_to_accept_is_given_up_within_a_moment(reports):
    with socket.socket() as full, contextlib.ExitStack() as callers:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        counter = open_counter(f"redis://127.0.0.1:{full.getsockname()[1]}", reports.append)
        start = time.monotonic()
        assert record(counter, 4) == [0, 0, 0, 60]
        assert time.monotonic() - start < 0.7
    assert len(reports) == 1
