"""Clients of OAuth 2.0 servers. `perennial.verify` is for those who receive access tokens."""
