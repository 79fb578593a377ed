"""Promise: no callback runs inside a lock. Broken: `Accounts` calls the application's `store` while it
holds its mutex, so that one that asks for another account waits for ever. And `Overtaken` shows a
refresh token in its repr."""

import threading

from perennial import Account, Accounts
from perennial.flow import Overtaken
from perennial.record import Record
from perennial.stores.memory import MemoryStore


def test_the_applications_store_may_ask_for_another_account(tmp_path):
    first, second = (Account("https://id.example.com", "app", name) for name in "ab")

    def make(path):
        if path == str(accounts.path(first)):
            accounts.get(second)
        return MemoryStore()

    accounts = Accounts(tmp_path, store=make)
    thread = threading.Thread(target=accounts.get, args=(first,), daemon=True)
    thread.start()
    thread.join(3)
    assert not thread.is_alive()


def test_no_outcome_shows_a_token():
    assert "cft_" not in repr(Overtaken(Record(), "cft_secret"))
