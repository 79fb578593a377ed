import pytest

from docs.generate import TESTS, Clause, Marked, clause_page, clauses, marked

LEDGER = """
- {id: doc-10-01, level: MUST, role: as, requirement: "ten | ten"}
- {id: doc-9-01, level: SHOULD, role: as, requirement: nine}
- {id: doc-9-02, level: MAY, role: client, requirement: a client's}
"""
EVERY_FORM = '''
"""A string with pytest.mark.clause("quoted-1") is no marker."""
from pytest import mark
import pytest

pytestmark = [pytest.mark.clause("module-1"), pytest.mark.slow]
CASES = [pytest.param(1, marks=pytest.mark.clause("module-2"))]

@pytest.mark.clause("function-1", "function-2")
@mark.clause("function-3")
def test_function(): ...

@pytest.mark.parametrize("x", [pytest.param(1, marks=[pytest.mark.clause("param-1")])])
async def test_param(x): ...

@pytest.mark.clause("class-1")
class TestClass:
    pytestmark = pytest.mark.clause("class-2")

    @pytest.mark.clause("method-1")
    def test_method(self): ...
'''


@pytest.fixture
def tree(tmp_path):
    """A project with a clause ledger of one document and one test file."""
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "doc.yaml").write_text(LEDGER)
    (tmp_path / "tests" / "deep").mkdir(parents=True)

    def write(source):
        (tmp_path / "tests" / "deep" / "test_it.py").write_text(source)
        return tmp_path / "tests"

    return write


def unknown(markers, ledger):
    known = {clause.id for clause in ledger}
    return [
        f"{marker.place} proves {marker.clause}" for marker in markers if marker.clause not in known
    ]


def test_every_marked_clause_is_one_of_the_ledger():
    assert unknown(marked(TESTS), clauses()) == []


def test_a_clause_that_is_not_in_the_ledger_is_found(tree):
    tests = tree('@pytest.mark.clause("doc-9-01", "doc-9-99")\ndef test_a(): ...\n')
    ledger = clauses(tests.parent / "ledger")
    assert unknown(marked(tests), ledger) == ["tests/deep/test_it.py:1 proves doc-9-99"]


def test_a_marker_is_found_in_every_form_pytest_knows(tree):
    found = marked(tree(EVERY_FORM))
    assert {
        (marker.clause, marker.test.removeprefix("tests/deep/test_it.py")) for marker in found
    } == {
        ("module-1", ""),
        ("module-2", ""),
        ("function-1", "::test_function"),
        ("function-2", "::test_function"),
        ("function-3", "::test_function"),
        ("param-1", "::test_param"),
        ("class-1", "::TestClass"),
        ("class-2", "::TestClass"),
        ("method-1", "::TestClass::test_method"),
    }


@pytest.mark.parametrize(
    "arguments", ["", "()", "(ID)", "(*IDS)", "(id='doc-9-01')", "(1)", "(f'{x}')"]
)
def test_a_marker_that_cannot_be_read_is_refused(tree, arguments):
    tests = tree(f"\n@pytest.mark.clause{arguments}\ndef test_a(): ...\n")
    with pytest.raises(ValueError, match=r"^tests/deep/test_it.py:2: a clause marker takes ids"):
        marked(tests)


def test_the_page_lists_clauses_in_their_order_and_counts_those_of_the_server(tree):
    tests = tree('@pytest.mark.clause("doc-10-01", "doc-9-01", "doc-9-02")\ndef test_a(): ...\n')
    page = clause_page(clauses(tests.parent / "ledger"), marked(tests))
    assert page.partition("## ")[2].splitlines() == [
        "doc",
        "",
        "2 of 2 server clauses are tested.",
        "",
        "| clause | level | requirement | tests |",
        "| --- | --- | --- | --- |",
        "| doc-9-01 | SHOULD | nine | `tests/deep/test_it.py::test_a` |",
        "| doc-9-02 | MAY | a client's | `tests/deep/test_it.py::test_a` |",
        "| doc-10-01 | MUST | ten \\| ten | `tests/deep/test_it.py::test_a` |",
    ]


def test_the_page_names_every_test_of_a_clause_once():
    ledger = [
        Clause("doc", "doc-1-01", "MUST", "as", "one"),
        Clause("doc", "doc-1-02", "MUST", "as", "two"),
    ]
    markers = [Marked("doc-1-01", test, "") for test in ("b", "a", "b")]
    page = clause_page(ledger, markers)
    assert "1 of 2 server clauses are tested." in page
    assert page.endswith("| doc-1-01 | MUST | one | `a`<br>`b` |\n")


def test_a_document_without_a_test_has_a_count_and_no_table():
    page = clause_page([Clause("doc", "doc-1-01", "MUST", "as", "one")], [])
    assert page.endswith("## doc\n\n0 of 1 server clauses are tested.\n")
