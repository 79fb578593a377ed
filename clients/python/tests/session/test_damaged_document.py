"""What cannot be understood is put aside and counts as nothing."""

import json

import pytest

from perennial import CallbackStore, FileStore
from perennial.book import State
from perennial.store import Kept


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {"format": "x"},
        {"standing": "odd"},
        {"standing": ["active"]},
        {"epoch": "2"},
        {"to_revoke": None},
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_sign_in_mends_whatever_the_store_held(party, tmp_path, document):
    path = tmp_path / "session.json"
    path.write_text(json.dumps({"format": 1, "version": 3, "document": document}))
    path.chmod(0o600)
    session = party.session(store=FileStore(path))
    session.sign_in_with_password("alice", "correct horse")
    assert session.token() == "a0"


@pytest.mark.parametrize("text", ["", "access_token=a0", "[" * 100_000])
def test_a_row_that_holds_no_json_counts_as_nothing(party, text):
    rows = [Kept(3, text)]

    def swap(expected, new):
        if rows[-1].version != expected:
            return False
        rows.append(new)
        return True

    session = party.session(store=CallbackStore(read=lambda: rows[-1], swap=swap))
    assert session.restore() is State.SIGNED_OUT
    session.sign_in_with_password("alice", "correct horse")
    assert session.token() == "a0"
    assert rows[-1].version > 3
