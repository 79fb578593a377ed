"""A token server that fails on demand, and the scenarios that every client library has to pass."""

from clients.conformance.clock import Clock
from clients.conformance.conformance import Conformance

__all__ = ["Clock", "Conformance"]
