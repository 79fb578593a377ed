"""What cannot be understood is put aside and counts as nothing."""

import json

import pytest

from perennial import FileStore


@pytest.mark.parametrize(
    "document",
    [None, [], "text", {"format": "x"}, {"standing": "odd"}, {"epoch": "2"}, {"to_revoke": None}],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_sign_in_mends_whatever_the_store_held(party, tmp_path, document):
    path = tmp_path / "session.json"
    path.write_text(json.dumps({"format": 1, "version": 3, "document": document}))
    path.chmod(0o600)
    session = party.session(store=FileStore(path))
    session.sign_in_with_password("alice", "correct horse")
    assert session.token() == "a0"
