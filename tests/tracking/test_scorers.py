"""MLflow's scorers and our metrics are each other's."""

from dataclasses import dataclass

import pytest
from mlflow.entities import Feedback
from mlflow.genai.judges import CategoricalRating
from mlflow.genai.scorers import Scorer, scorer

from workbench.core import (
    INAPPLICABLE,
    Case,
    Episode,
    ExpectedAbstention,
    ExpectedAnswer,
    Failure,
    Prediction,
    Score,
    TrackingError,
)
from workbench.evals import metric
from workbench.tracking.scorers import metric_scorer, scorer_metric

CASE = Case(case_id="c", request="Capital?", expected=ExpectedAnswer(answers=("Paris",)), cluster="k")


@scorer
def exact(outputs: str, expectations: dict[str, str]) -> bool:
    return outputs == expectations["expected_response"]


@scorer
def echo(inputs: dict[str, str], outputs: str) -> object:
    return {
        "yes": Feedback(value=CategoricalRating.YES, rationale="it is"),
        "no": "no",
        "half": 0.5,
        "five": 5,
        "word": "excellent",
        "none": None,
        "error": Feedback(error=ValueError("down")),
        "asked": float(inputs == {"request": "Capital?", "case_id": "c"}),
    }[outputs]


class Long(Scorer):
    name: str = "long"

    def __call__(self, *, outputs: str) -> int:  # type: ignore[override]
        return int(len(outputs) > 3)


def run(back: Scorer, case_id: str, outputs: object) -> Feedback:
    found = back.run(inputs={"request": "Capital?", "case_id": case_id}, outputs=outputs)  # type: ignore[no-untyped-call]
    assert isinstance(found, Feedback)
    return found


def said(answer: str) -> Episode:
    return Episode(case_id="c", prediction=Prediction(answer=answer), milliseconds=0)


def test_a_scorer_is_a_metric() -> None:
    """Functions and classes; booleans, words and numbers in [0, 1] are scores."""
    assert ("mlflow:exact", 1.0, 0.0) == (
        scorer_metric(exact).name,
        *(scorer_metric(exact)(CASE, said(text)).value for text in ("Paris", "Rome")),
    )
    assert [1.0, 0.0] == [scorer_metric(Long())(CASE, said(text)).value for text in ("long", "no")]
    assert [1.0, 0.0, 0.5, 1.0] == [
        scorer_metric(echo)(CASE, said(text)).value for text in ("yes", "no", "half", "asked")
    ]
    assert "it is" == scorer_metric(echo)(CASE, said("yes")).reason


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("five", "grader: the scorer returned 5"),
        ("word", "grader: the scorer returned 'excellent'"),
        ("error", "grader: "),
        ("boom", "grader: scorer 'echo': KeyError"),
        ("none", INAPPLICABLE),
    ],
)
def test_what_is_no_score_is_unscored(answer: str, why: str) -> None:
    """Beyond 1, an unknown word, an error it reports, an error it raises, nothing: never a zero."""
    score = scorer_metric(echo)(CASE, said(answer))

    assert score.value is None
    assert score.reason.startswith(why)


def test_blame_stays_where_it_is() -> None:
    """An agent's failure is 0, the infrastructure's is unscored; the scorer is not asked."""

    def failed(blame: str) -> Episode:
        failure = Failure.model_validate({"blame": blame, "kind": "K", "message": "m"})
        return Episode(case_id="c", prediction=None, failure=failure, milliseconds=0)

    assert [0.0, None] == [scorer_metric(exact)(CASE, failed(blame)).value for blame in ("agent", "infrastructure")]


def test_the_digest_is_that_of_the_code() -> None:
    """Another scorer of the same name, or another version of what it rests on, grades anew."""

    def made(right: str) -> Scorer:
        if right == "a":

            @scorer(name="s")
            def first(outputs: str) -> bool:
                return outputs == "a"

            return first

        @scorer(name="s")
        def second(outputs: str) -> bool:
            return outputs == "b"

        return second

    digests = [scorer_metric(made("a")), scorer_metric(made("a")), scorer_metric(made("b"))]
    assert digests[0].digest == digests[1].digest != digests[2].digest
    assert scorer_metric(exact).digest != scorer_metric(exact, version="prompt 2").digest


def test_a_scorer_of_traces_is_refused() -> None:
    """An episode is no trace of MLflow's."""

    @scorer
    def spans(trace: object) -> bool:
        return trace is not None

    with pytest.raises(TrackingError, match="needs a trace"):
        scorer_metric(spans)


def test_a_metric_is_a_scorer() -> None:
    """As text or as a Prediction; the value and the reason come back."""
    back = metric_scorer(metric("answer_f1"), [CASE])

    found = [run(back, "c", outputs) for outputs in ("in Paris", Prediction(answer="Paris").model_dump())]
    assert [("answer_f1", 2 / 3), ("answer_f1", 1.0)] == [(one.name, one.value) for one in found]
    assert pytest.approx(2 / 3) == scorer_metric(back)(CASE, said("in Paris")).value


def test_unscored_is_an_error_of_the_feedback_and_not_a_zero() -> None:
    """And what does not apply is empty."""

    @dataclass(frozen=True)
    class Down:
        name: str = "down"
        digest: str = "d"

        def __call__(self, case: Case, episode: Episode) -> Score:
            return Score(case_id=case.case_id, metric=self.name, reason="grader: down")

    none = Case(case_id="c", request="?", expected=ExpectedAbstention(), cluster="k")
    down = run(metric_scorer(Down(), [CASE]), "c", "x")
    empty = run(metric_scorer(metric("answer_f1"), [none]), "c", "x")

    values: list[object] = [down.value, empty.value, empty.error]
    assert [None, None, None] == values
    assert down.error is not None
    assert "grader: down" == down.error.error_message


def test_an_unknown_case_or_output_is_said() -> None:
    """A row that belongs to no case, and an output that is no prediction."""
    back = metric_scorer(metric("answer_f1"), [CASE])
    with pytest.raises(TrackingError, match="is not among those"):
        run(back, "d", "x")
    with pytest.raises(TrackingError, match="neither a text nor a Prediction"):
        run(back, "c", {"x": 1})
