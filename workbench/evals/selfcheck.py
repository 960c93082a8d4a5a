"""Can an eval set be trusted? An ideal agent must score 1 on it, and a silent one must not score."""

from collections.abc import Sequence

from pydantic import Field, JsonValue

from workbench.core import (
    Case,
    Episode,
    ExpectedAbstention,
    ExpectedAnswer,
    ExpectedCall,
    Prediction,
    Record,
    Score,
    ToolCall,
    ToolSpec,
    tool_id,
)
from workbench.evals.calls import grade_value
from workbench.evals.metric import metric
from workbench.evals.schema import misfit


class Contradiction(Record):
    """A case on which its own expectation is not right by its own rules."""

    case_id: str
    reason: str


class CheckLine(Record):
    """One metric over the cases it applies to."""

    metric: str
    cases: int = Field(ge=0)
    """Cases on which the ideal answer is scored."""
    oracle: float | None
    """Mean score of the ideal answers; None if the metric applies to no case."""
    silent: float | None
    """Mean score of saying nothing; None if saying nothing is never scored."""
    contradictions: tuple[Contradiction, ...] = ()

    @property
    def trusted(self) -> bool:
        """True if every ideal answer scores 1 and silence scores 0 or nothing."""
        return not self.contradictions and self.silent in (None, 0.0)


SILENCE = Prediction()
"""No call, no answer, and no word of abstaining."""


def selfcheck(cases: Sequence[Case], metrics: Sequence[str]) -> tuple[CheckLine, ...]:
    """One line for each metric, in the order given, with the cases that contradict themselves.

    Raises: ConfigError for an unknown metric.
    """
    return tuple(_check(cases, name) for name in metrics)


def ideal(case: Case) -> Prediction:
    """What a perfect agent would answer.

    For each argument the first expected value that is right by the rules and fits the tool's schema; if none does
    it is left out where that is right, and else the first one stands, for the checks to find.
    """
    expected = case.expected
    if isinstance(expected, ExpectedAbstention):
        return Prediction(abstained=True)
    if isinstance(expected, ExpectedAnswer):
        return Prediction(ranked=expected.documents, answer=expected.answers[0])
    call = ToolCall(tool_id=tool_id(expected.tool), name=expected.tool.name, arguments=_arguments(expected))
    return Prediction(ranked=(call.tool_id,), call=call)


def _check(cases: Sequence[Case], name: str) -> CheckLine:
    oracle = [_score(case, name, ideal(case)) for case in cases]
    best = [score for score in oracle if score.value is not None]
    silent = [score.value for case in cases if (score := _score(case, name, SILENCE)).value is not None]
    return CheckLine(
        metric=name,
        cases=len(best),
        oracle=sum(score.value or 0.0 for score in best) / len(best) if best else None,
        silent=sum(value for value in silent if value is not None) / len(silent) if silent else None,
        contradictions=tuple(
            Contradiction(case_id=score.case_id, reason=score.reason or f"scores {score.value}")
            for score in best
            if score.value != 1
        ),
    )


def _score(case: Case, name: str, prediction: Prediction) -> Score:
    return metric(name)(case, Episode(case_id=case.case_id, prediction=prediction, milliseconds=0))


def _arguments(expected: ExpectedCall) -> dict[str, JsonValue]:
    chosen: dict[str, JsonValue] = {}
    for name, right in expected.arguments.items():
        schema = expected.tool.properties.get(name, {})
        values = [_plainest(value) for value in right if value != ""]
        fitting = [value for value in values if not grade_value(schema, value, right) and _fits(schema, value)]
        optional = "" in right and name not in expected.tool.required
        if fitting or (values and not optional):
            chosen[name] = (fitting or values)[0]
    return chosen


def _fits(schema: dict[str, JsonValue], value: JsonValue) -> bool:
    one = ToolSpec(name="one", parameters={"properties": {"value": schema}})
    return not misfit(one, {"value": value})


def _plainest(value: JsonValue) -> JsonValue:
    """An expected value as an argument: one is taken where a dictionary lists several right ones."""
    if isinstance(value, dict):
        return {key: _first(options) for key, options in value.items() if options != [""]}
    if isinstance(value, list):
        return [_plainest(item) if isinstance(item, dict) else item for item in value]
    return value


def _first(options: JsonValue) -> JsonValue:
    if not isinstance(options, list):
        return options
    return next((option for option in options if option != ""), None)
