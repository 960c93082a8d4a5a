"""Can an eval set be trusted? An ideal agent must score 1 on it, and a silent one must not score."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pydantic import Field, JsonValue

from workbench.core import Case, Episode, ExpectedCall, ExpectedState, Prediction, Record, Score, ToolSpec
from workbench.evals.calls import grade_value
from workbench.evals.metric import Metric, bind_metrics
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
    rewarded: tuple[str, ...] = ()
    """Ids of the cases on which saying nothing scores."""

    @property
    def trusted(self) -> bool:
        """True if every ideal answer scores 1 and silence scores 0 or nothing."""
        return not self.contradictions and not self.rewarded


def selfcheck(
    cases: Sequence[Case], metrics: Sequence[str], *, extra: Mapping[str, Metric] = MappingProxyType({})
) -> tuple[CheckLine, ...]:
    """One line for each metric, in the order given, with the cases that contradict themselves.

    `extra` are metrics that are not the workbench's, by name. Raises: ConfigError for an unknown metric.
    """
    return tuple(_check(cases, metric) for metric in bind_metrics(metrics, None, extra=extra))


def ideal(case: Case) -> Prediction:
    """What a perfect agent would answer, by the word of the grading rules.

    For each argument of a call the first expected value that is right by the rules and fits the tool's schema; if none
    does it is left out where that is right, and else the first one stands, for the checks to find.
    """
    prediction = case.expected.ideal()
    if not isinstance(case.task, ExpectedCall) or prediction.call is None:
        return prediction
    call = prediction.call.model_copy(update={"arguments": _arguments(case.task)})
    return prediction.model_copy(update={"call": call})


def silence(case: Case) -> Prediction:
    """What an agent leaves that does nothing: no call, no answer, no word of abstaining, the world as it was."""
    return Prediction(state=case.task.start if isinstance(case.task, ExpectedState) else None)


def _check(cases: Sequence[Case], metric: Metric) -> CheckLine:
    oracle = [_score(case, metric, ideal(case)) for case in cases]
    best = [score for score in oracle if score.value is not None]
    silent = {case.case_id: _score(case, metric, silence(case)).value for case in cases}
    scored = [value for value in silent.values() if value is not None]
    return CheckLine(
        metric=metric.name,
        cases=len(best),
        oracle=sum(score.value or 0.0 for score in best) / len(best) if best else None,
        silent=sum(scored) / len(scored) if scored else None,
        contradictions=tuple(
            Contradiction(case_id=score.case_id, reason=score.reason or f"scores {score.value}")
            for score in best
            if score.value != 1
        ),
        rewarded=tuple(case_id for case_id, value in silent.items() if value),
    )


def _score(case: Case, metric: Metric, prediction: Prediction) -> Score:
    return metric(case, Episode(case_id=case.case_id, prediction=prediction, milliseconds=0))


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
