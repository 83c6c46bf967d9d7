from pathlib import Path

import pytest

from tests.compatibility.explanations import Explanation, read_explanations, unexplained
from tests.compatibility.values import Difference

HEAD = "| where | difference | why |\n| --- | --- | --- |\n"


def test_tables_of_these_columns_are_read_and_others_are_not():
    other = "# T\n\n| a | b | c |\n| --- | --- | --- |\n| x | y | z |\n\n"
    page = f"{other}{HEAD}| `a_b x` | `n` | W. |\n"
    assert read_explanations(page) == [Explanation("a_b x", "n", "W.")]


def test_several_places_of_one_reason_are_explanations_each():
    page = f"{HEAD}| `a_b`, `a_c` | `not here` | Later. |\n"
    assert [each.where for each in read_explanations(page)] == ["a_b", "a_c"]


def test_a_bar_in_code_is_written_with_a_backslash():
    (explanation,) = read_explanations(f"{HEAD}| `a_b x` | `pattern: a\\|b` | W. |\n")
    assert explanation.what == "pattern: a|b"


@pytest.mark.parametrize(
    "row", ["| a_b | `n` | W. |", "| `a_b` | n | W. |", "| `a_b` | `n` |  |", "| `a_b` | `n` |"]
)
def test_a_row_that_explains_nothing_is_an_error(row):
    with pytest.raises(ValueError, match="this row"):
        read_explanations(HEAD + row)


@pytest.mark.parametrize(
    ("where", "what", "expected"),
    [
        ("a_b x.y[]", "n", True),
        ("a_b x*", "n", True),
        ("* x.y[]", "*", True),
        ("a_b x.y", "n", False),
        ("a_b x.y.", "n", False),
        ("a_b x.y[]", "m", False),
    ],
)
def test_only_the_star_stands_for_other_text(where, what, expected):
    assert Explanation(where, what, "W.").explains(Difference("a_b", "x.y[]", "n")) is expected


def test_what_is_left_over_on_either_side_is_told():
    differences = [Difference("a_b", "x", "n"), Difference("a_c", "x", "n")]
    known = [Explanation("a_b x", "n", "W."), Explanation("a_d x", "n", "W.")]
    assert unexplained(differences, known) == ([differences[1]], [known[1]])


def test_the_page_of_this_project_can_be_read():
    page = Path(__file__).parents[2] / "docs" / "compatibility.md"
    assert len(read_explanations(page.read_text())) > 10
