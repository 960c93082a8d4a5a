"""The measures of SQuAD."""

import pytest

from workbench.evals.answers import exact, f1


@pytest.mark.parametrize(
    ("answer", "right", "wanted_exact", "wanted_f1"),
    [
        ("The Denver Broncos!", ["Denver Broncos"], 1.0, 1.0),
        ("Broncos", ["Denver Broncos"], 0.0, 2 / 3),  # precision 1, recall 1/2
        ("Carolina", ["Denver Broncos", "Carolina Panthers"], 0.0, 2 / 3),  # the best of both
        ("Panthers", ["Denver Broncos"], 0.0, 0.0),
        ("", ["the"], 1.0, 1.0),  # both are empty once comparable
        ("", ["yes"], 0.0, 0.0),
        ("a a b", ["a b b"], 0.0, 2 / 3),  # the article is dropped: "b" against "b b"
    ],
)
def test_an_answer_worked_by_hand(answer: str, right: list[str], wanted_exact: float, wanted_f1: float) -> None:
    """Exact match and F1 as in Rajpurkar et al. 2016."""
    assert wanted_exact == exact(answer, right)
    assert pytest.approx(wanted_f1) == f1(answer, right)
