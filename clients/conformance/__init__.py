"""A token server that fails on demand, and the scenarios that every client library has to pass."""
