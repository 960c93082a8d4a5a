"""Rules of a gate."""

import pytest
from pydantic import JsonValue, ValidationError

from workbench.core import ConfigError
from workbench.gates import Rule, check_names, describe


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"metric": "task_success", "better_than": "baseline", "margin": 0.0}, "task_success better than baseline"),
        ({"metric": "schema_valid", "at_least": 0.95}, "schema_valid at least 0.95"),
        ({"metric": "tokens", "at_most": 900}, "tokens at most 900 tokens"),
        (
            {"metric": "abstention", "no_worse_than": "baseline", "margin": 0.05},
            "abstention no worse than baseline, by a margin of 0.05",
        ),
        ({"metric": "task_success", "coverage": 0.98}, "task_success scored on at least 98.0% of the cases"),
        (
            {"metric": "latency_ms_p95", "no_worse_than": "baseline", "margin": 50},
            "latency_ms_p95 no worse than baseline, by a margin of 50 ms",
        ),
    ],
)
def test_a_row_of_an_experiment_file_is_a_rule(row: dict[str, JsonValue], words: str) -> None:
    """Each condition, in words."""
    assert words == describe(Rule.model_validate(row))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"metric": "m"}, "has none as condition; give exactly one"),
        ({"metric": "m", "at_least": 0.9, "coverage": 0.9}, "has at_least and coverage as condition"),
        ({"metric": "m", "at_most": 0.9}, "at_most is not for a score; use one of"),
        ({"metric": "tokens", "at_least": 0.9}, "at_least is not for a cost"),
        ({"metric": "tokens", "better_than": "baseline"}, "better_than is not for a cost"),
        ({"metric": "m", "at_least": 0.9, "margin": 0.1}, "at_least takes no margin"),
        ({"metric": "m", "at_least": 1.5}, "less than or equal to 1"),
        ({"metric": "m", "better_than": "baseline", "margin": -0.1}, "greater than or equal to 0"),
        ({"metric": "m", "at_leest": 0.5}, "at_leest"),
    ],
)
def test_a_row_that_is_no_rule_is_refused(row: dict[str, JsonValue], words: str) -> None:
    """With what is wrong."""
    with pytest.raises(ValidationError, match=words):
        Rule.model_validate(row)


def test_names_are_checked_before_anything_runs() -> None:
    """A misspelt metric, and a champion of another name."""
    rules = [Rule(metric="task_sucess", at_least=0.5)]
    with pytest.raises(ConfigError, match='"task_success"'):
        check_names(rules, ["task_success"], "baseline")
    with pytest.raises(ConfigError, match="the champion is 'champion'"):
        check_names([Rule(metric="m", better_than="baseline")], ["m"], "champion")
    check_names([Rule(metric="m", better_than="baseline"), Rule(metric="tokens", at_most=1)], ["m"], "baseline")
