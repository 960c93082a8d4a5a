"""Solved cases as dspy examples: what demos are made of."""

import json
from collections.abc import Iterable

import dspy

from workbench.core import Case, ExpectedAnswer, ExpectedCall


def examples(cases: Iterable[Case]) -> list[dspy.Example]:
    """dspy examples of the cases that show something: calls and answers; abstentions are left out.

    Each carries the case's id and request, and under the names of the predictors' fields what would be
    right: so it is a training row for an optimizer and a demo for a prompt.
    """
    return [example for case in cases if (example := _example(case)) is not None]


def _example(case: Case) -> dspy.Example | None:
    expected = case.expected
    fields = {"case_id": case.case_id, "request": case.request}
    if isinstance(expected, ExpectedCall):
        arguments = json.dumps(expected.example(), ensure_ascii=False)
        fields |= {"tool": expected.tool.model_dump_json(), "arguments": arguments}
    elif isinstance(expected, ExpectedAnswer):
        fields |= {"answer": json.dumps(expected.answers[0], ensure_ascii=False)}
    else:
        return None
    return dspy.Example(**fields).with_inputs("request")
