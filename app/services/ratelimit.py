"""How often something failed within a sliding window, counted exactly and by every worker at once.

An attempt is judged when its outcome is known, because a password takes far longer to check than
to guess in parallel:

1. `retry_after` before the work: full already, so the work is not done;
2. the work;
3. `record` when it failed, `retry_after` again when it succeeded: what became full in the meantime
   answers "too often", whatever the outcome was.

So no burst, however wide, learns more than `Limit.failures` wrong guesses within any window, and
attempts that succeed never count, not even while they run.
"""

import contextlib
import fcntl
import hashlib
import ipaddress
import mmap
import os
import secrets
import struct
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import redis

MEMORY = 4 * 1024 * 1024  # bytes that a SharedMemoryCounter may take, whoever fails how often
NETWORK_BITS = 64  # what a provider gives to one customer in IPv6
WAYS = 8  # slots in a set: a key has its place in one of them
TAG = 16  # bytes of a digest that stand for a key
TIME = struct.Struct("q")  # aligned, so that another process sees the old or the new, never half

LOCK_TRIES, LOCK_PAUSE = 500, 0.0005  # pauses in seconds; an honest holder needs microseconds
REDIS_TIMEOUT = 0.25  # seconds, to connect and again to answer
REDIS_REST = 5_000  # milliseconds without Redis after it failed


@dataclass(frozen=True)
class Limit:
    """At most `failures` within any `window` milliseconds, for each key; `name` keeps limits apart."""

    name: str
    failures: int
    window: int


def source(address: str) -> str:
    """The part of an address that one party controls: an IPv6 network, an IPv4 address, no port."""
    host = address.rpartition(":")[0] if address.count(":") == 1 else address.strip("[]")
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(parsed, ipaddress.IPv4Address):
        return host
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), NETWORK_BITS), strict=False))


class FailureCounter(Protocol):
    """Keys are any text and are kept as digests; `now` is UTC milliseconds, later than 1970."""

    def retry_after(self, limit: Limit, key: str, now: int) -> int:
        """Whole seconds until the next attempt is allowed, 0 when it is allowed at once."""

    def record(self, limit: Limit, key: str, now: int) -> int:
        """Count one failure and answer 0, or leave a full window as it is and answer the seconds."""


def open_counter(
    redis_url: str | None,
    on_degraded: Callable[[str], None],
    *,
    largest: int = 20,
    secret: bytes = b"",
) -> FailureCounter:
    """The counter of this deployment: in Redis when there is a URL, else for this host alone.

    Open it before the workers are forked. `largest` is the largest `Limit.failures` in use;
    `secret`, the same on every host and at most 64 bytes, keys the digests that Redis gets to see.
    """
    here = SharedMemoryCounter(largest)
    if redis_url is None:
        return here
    return RedisCounter(redis_url, here, on_degraded, secret=secret)


class SharedMemoryCounter:
    """Counts for one host, in memory that processes forked after construction share.

    The memory is a table of sets. A set holds the tags of its `WAYS` slots, then their rings; a
    ring holds the times of `largest` failures in no order, 0 for none. A set without room forgets
    the slot whose last failure is furthest from now; the digests' random key keeps strangers from
    aiming at one.
    Readers take no lock: a ring changes by one word, and a new ring is there before its tag.
    """

    def __init__(self, largest: int = 20) -> None:
        self._largest = largest
        self._rings = struct.Struct(f"{largest}q")
        self._set_size = WAYS * (TAG + self._rings.size)
        self._sets = MEMORY // self._set_size
        self._memory = mmap.mmap(-1, self._sets * self._set_size)
        self._secret = secrets.token_bytes(32)
        self._lock = HostLock()

    def retry_after(self, limit: Limit, key: str, now: int) -> int:
        start, tag = self._locate(limit, key)
        ring = self._find(start, tag)
        return 0 if ring is None else _seconds(limit, self._read(ring), now)

    def record(self, limit: Limit, key: str, now: int) -> int:
        start, tag = self._locate(limit, key)
        with self._lock.hold():
            ring = self._find(start, tag)
            if ring is None:
                self._replace_stalest(start, tag, now)
                return 0
            times = self._read(ring)
            if wait := _seconds(limit, times, now):
                return wait
            spare = next(i for i, failed in enumerate(times) if not _counts(limit, failed, now))
            TIME.pack_into(self._memory, ring + spare * TIME.size, now)
            return 0

    def _locate(self, limit: Limit, key: str) -> tuple[int, bytes]:
        """The set where the key may be, and its tag."""
        if limit.failures > self._largest:
            raise ValueError(f"limit {limit.name!r} is larger than {self._largest} failures")
        digest = _digest(limit, key, self._secret, size=TAG + 8)
        return int.from_bytes(digest[TAG:]) % self._sets * self._set_size, digest[:TAG]

    def _find(self, start: int, tag: bytes) -> int | None:
        found = self._memory[start : start + WAYS * TAG].find(tag)
        return None if found < 0 else self._ring(start, found // TAG)

    def _ring(self, start: int, way: int) -> int:
        return start + WAYS * TAG + way * self._rings.size

    def _read(self, ring: int) -> tuple[int, ...]:
        return self._rings.unpack_from(self._memory, ring)

    def _replace_stalest(self, start: int, tag: bytes, now: int) -> None:
        way = max(range(WAYS), key=lambda way: abs(now - max(self._read(self._ring(start, way)))))
        ring = self._ring(start, way)
        self._rings.pack_into(self._memory, ring, now, *[0] * (self._largest - 1))
        self._memory[start + way * TAG : start + (way + 1) * TAG] = tag


class HostLock:
    """One holder among all threads of all processes forked after construction.

    The kernel takes a record lock from a process that dies, by `kill -9` too. It would also take
    it when its process closes any other descriptor of the file: without a name there is none.
    Trying again and again is the only way to wait for such a lock with an end.
    """

    def __init__(self) -> None:
        self._file, path = tempfile.mkstemp()
        Path(path).unlink()
        weakref.finalize(self, os.close, self._file)
        self._threads = threading.Lock()

    @contextlib.contextmanager
    def hold(self) -> Iterator[bool]:
        """Yield whether it is held. A holder that hangs is waited for only so long: then, as in
        any other trouble of a rate limiter, the caller goes on and exactness suffers.
        """
        if not self._threads.acquire(timeout=LOCK_TRIES * LOCK_PAUSE):
            yield False
            return
        held = False
        try:
            held = self._acquire_file()
            yield held
        finally:
            if held:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
            self._threads.release()

    def _acquire_file(self) -> bool:
        for _ in range(LOCK_TRIES):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(LOCK_PAUSE)
            else:
                return True
        return False


# A failure later than now + window was recorded before the clock was set back: it counts no more.
# ZRANGE -n -n is the n-th latest; when there is one, its end is when the window has room again.
ASK_REDIS = """
local failures, window, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + window, '+inf')
local decisive = redis.call('ZRANGE', KEYS[1], -failures, -failures, 'WITHSCORES')[2]
if decisive then return decisive + window - now end
if ARGV[4] then
  redis.call('ZADD', KEYS[1], now, ARGV[4])
  redis.call('PEXPIRE', KEYS[1], 2 * window)
end
return 0
"""


class RedisCounter:
    """Counts for several hosts: one sorted set of failure times for each key, judged in Redis.

    While Redis does not answer, this host counts alone with `fallback`, and `on_degraded` is told
    so, once for each rest and process.
    """

    def __init__(
        self,
        url: str,
        fallback: FailureCounter,
        on_degraded: Callable[[str], None],
        *,
        secret: bytes = b"",
    ) -> None:
        self._fallback = fallback
        self._on_degraded = on_degraded
        self._secret = secret
        self._failed_at = -REDIS_REST
        self._failing = threading.Lock()
        client = redis.Redis.from_url(
            url,
            socket_timeout=REDIS_TIMEOUT,
            socket_connect_timeout=REDIS_TIMEOUT,
        )
        self._script = client.register_script(ASK_REDIS)

    def retry_after(self, limit: Limit, key: str, now: int) -> int:
        wait = self._ask(limit, key, now)
        return self._fallback.retry_after(limit, key, now) if wait is None else wait

    def record(self, limit: Limit, key: str, now: int) -> int:
        wait = self._ask(limit, key, now, secrets.token_bytes(8))
        return self._fallback.record(limit, key, now) if wait is None else wait

    def _ask(self, limit: Limit, key: str, now: int, *member: bytes) -> int | None:
        """Seconds to wait, having added `member` when there is none; None when nobody answers."""
        if self._rests(now):
            return None
        name = f"perennial:failures:{_digest(limit, key, self._secret, size=16).hex()}"
        try:
            wait = self._script([name], [limit.failures, limit.window, now, *member])
        except redis.RedisError as error:
            self._rest(now, error)
            return None
        return _whole_seconds(int(wait))

    def _rests(self, now: int) -> bool:
        return abs(now - self._failed_at) < REDIS_REST

    def _rest(self, now: int, error: redis.RedisError) -> None:
        with self._failing:
            already = self._rests(now)
            self._failed_at = now
        if not already:
            self._on_degraded(f"Redis: {error}; failed attempts are counted by each host alone")


def _digest(limit: Limit, key: str, secret: bytes, *, size: int) -> bytes:
    # JSON may smuggle half of a surrogate pair into a name; it is a key like any other.
    text = f"{limit.name}\0{key}".encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=size, key=secret).digest()


def _counts(limit: Limit, failed: int, now: int) -> bool:
    """Whether a failure counts now: both ways, or a clock set back would lock people out."""
    return failed > 0 and abs(now - failed) < limit.window


def _seconds(limit: Limit, times: Iterable[int], now: int) -> int:
    counting = sorted(failed for failed in times if _counts(limit, failed, now))
    if len(counting) < limit.failures:
        return 0
    return _whole_seconds(counting[-limit.failures] + limit.window - now)


def _whole_seconds(milliseconds: int) -> int:
    """Rounded up: who waits that long has waited long enough."""
    return -(-milliseconds // 1000)
