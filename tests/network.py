"""The closed network: no test leaves the machine."""

import ipaddress
import socket
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def closed_network() -> Iterator[None]:
    """No test leaves the machine: connections reach loopback and unix sockets only."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _only_home(getattr(socket.socket, name)))
        yield


def _only_home(connect):
    def guarded(self, address):
        if self.family != socket.AF_UNIX and not _is_loopback(address[0]):
            # Not an OSError: code that survives a lost network must not survive this.
            raise RuntimeError(f"the tests have no network: connection to {address!r} refused")
        return connect(self, address)

    return guarded


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
