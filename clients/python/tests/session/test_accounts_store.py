"""Promise: no callback runs inside a lock, nor does the `store` of `Accounts`, which may ask for another
account."""

import threading
from concurrent.futures import ThreadPoolExecutor

from perennial import Account, Accounts
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


def test_who_asks_at_once_for_one_account_gets_one_session(tmp_path):
    account, together = Account("https://id.example.com", "app", "a"), threading.Barrier(5)

    def make(_):
        together.wait(30)
        return MemoryStore()

    accounts = Accounts(tmp_path, store=make)
    with ThreadPoolExecutor(5) as pool:
        found = set(pool.map(lambda _: accounts.get(account), range(5)))
    assert found == {accounts.get(account)}
