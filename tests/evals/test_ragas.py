"""Ragas metrics through one door. Importing ragas takes seconds, so this file does it once."""

import json
import os
import subprocess
import sys

import pytest

from workbench.core import (
    INAPPLICABLE,
    Case,
    ConfigError,
    Episode,
    ExpectedAbstention,
    ExpectedAnswer,
    Failure,
    Prediction,
    Step,
)
from workbench.evals.admission import Guarded
from workbench.evals.ragas import ragas_metric
from workbench.lms import LMSpec, scope, scripted_lm

CASE = Case(case_id="c", request="Capital?", expected=ExpectedAnswer(answers=("Paris",)), cluster="k")
FOUND = Step(name="r", kind="retriever", inputs={}, outputs={"documents": ["d"]}, start_milliseconds=0, milliseconds=0)


def said(answer: str | None, steps: tuple[Step, ...] = ()) -> Episode:
    return Episode(case_id="c", prediction=Prediction(answer=answer, steps=steps), milliseconds=0)


def test_importing_the_door_does_not_import_ragas() -> None:
    """It takes seconds, and most evaluations don't need it."""
    program = "import sys, workbench.evals.ragas; print('ragas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "False" == done.stdout.strip()


def test_metrics_that_ask_no_model() -> None:
    """They run on what an episode holds; what it lacks does not apply; what ragas raises is the grader's fault."""
    exact, present = ragas_metric("ExactMatch"), ragas_metric("StringPresence")
    quoted = ragas_metric("QuotedSpansAlignment", texts={"d": "The river runs through Paris slowly."})

    assert "true" == os.environ["RAGAS_DO_NOT_TRACK"].lower()
    assert [1.0, 0.0] == [exact(CASE, said(text)).value for text in ("Paris", "paris")]
    assert ("ragas:string_present", 1.0) == (present.name, present(CASE, said("in Paris, of course")).value)
    quotes = ('He says "the river runs through Paris" now', 'He says "the river flows past Lyon" now')
    assert [1.0, 0.0] == [quoted(CASE, said(text, (FOUND,))).value for text in quotes]
    assert len({exact.digest, present.digest, quoted.digest, ragas_metric("QuotedSpansAlignment").digest}) == 4

    assert exact.digest == ragas_metric("ExactMatch", texts={"d": "x"}, called="same").digest

    no_text = Case(case_id="c", request="?", expected=ExpectedAbstention(), cluster="k")
    gaps = [exact(no_text, said("x")), exact(CASE, said(None)), quoted(CASE, said("x"))]
    assert [True] * 3 == [one.value is None and one.reason.startswith(INAPPLICABLE) for one in gaps]
    unknown = ragas_metric("QuotedSpansAlignment")(CASE, said("x", (FOUND,)))
    assert unknown.reason.startswith("grader: document 'd'")
    failed = Episode(
        case_id="c", prediction=None, failure=Failure(blame="agent", kind="K", message="m"), milliseconds=0
    )
    assert 0.0 == exact(CASE, failed).value


def test_metrics_that_ask_a_model_are_judges() -> None:
    """Faithfulness asks ours: two statements, one of them borne out. Unadmitted it scores nothing."""

    def answer(prompt: str) -> str:
        if '"verdict"' not in prompt.rpartition("JSON Schema")[2]:
            return json.dumps({"statements": ["Paris is the capital.", "It is old."]})
        verdicts = [{"statement": "Paris is the capital.", "reason": "said", "verdict": 1}]
        return json.dumps({"statements": [*verdicts, {"statement": "It is old.", "reason": "no", "verdict": 0}]})

    lm = scripted_lm(answer, spec=LMSpec(model="scripted", max_tokens=500))
    metric = ragas_metric("Faithfulness", lm=lm, texts={"d": "Paris is the capital."})
    assert isinstance(metric, Guarded)
    episode = said("Paris, an old town.", (FOUND,))

    assert metric(CASE, episode).value is None
    assert "is not admitted" in metric(CASE, episode).reason
    assert 0.5 == metric.judge(CASE, episode).value

    with scope(run="r") as tally:
        named = ragas_metric("Faithfulness", lm=lm, texts={"d": "Paris is the capital."}, called="faithful")
        assert isinstance(named, Guarded)
        assert ("faithful", 0.5) == ((score := named.judge(CASE, episode)).metric, score.value)
    assert metric.digest == named.digest
    assert [("r", "c", "judge:faithful")] * 2 == [
        (one.where.run, one.where.case_id, one.where.module) for one in tally.calls()
    ]

    broken = ragas_metric("Faithfulness", lm=scripted_lm(lambda _prompt: "no"), texts={"d": "x"})
    assert isinstance(broken, Guarded)
    score = broken.judge(CASE, episode)
    assert (None, True) == (score.value, score.reason.startswith("grader: "))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ExactMtch", 'did you mean "ExactMatch"'),
        ("Faithfulness", "asks a language model; give it one as lm"),
        ("SemanticSimilarity", "needs an embedding model"),
        ("ToolCallAccuracy", "needs reference_tool_calls"),
        ("BaseMetric", "is unknown"),
    ],
)
def test_what_can_not_be_used_is_said_at_once(name: str, why: str) -> None:
    """Before anything is evaluated: an unknown name, a missing model, columns that an episode has not."""
    with pytest.raises(ConfigError, match=why):
        ragas_metric(name)
