"""For every test of the repository; `tests/conftest.py` has what the server's tests ask for."""

pytest_plugins = ["tests.measured", "tests.needs", "tests.network"]
