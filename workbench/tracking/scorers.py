"""MLflow's scorers as metrics of ours, and our metrics as scorers of `mlflow.genai.evaluate`.

What a scorer is given: `inputs` {"request", "case_id"}, `outputs` the answer as text (or the call as an object where
there is no text), `expectations` {"expected_response"} for a case that expects an answer. A scorer that asks a
language model is a judge: wrap it in `Guarded`.
"""

import importlib
import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from mlflow.entities import Feedback
from mlflow.genai.scorers import Scorer, scorer
from mlflow.genai.scorers.base import ScorerKind
from pydantic import JsonValue, ValidationError

from workbench.core import (
    INAPPLICABLE,
    Case,
    Episode,
    EvaluationError,
    ExpectedAnswer,
    Prediction,
    Score,
    TrackingError,
    boundary,
    digest_bytes,
    digest_file,
    digest_json,
    nearest,
)
from workbench.evals import Mark, Metric, foreign_score, unanswered

_WORDS = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0, "pass": 1.0, "fail": 0.0}
"""What judges of MLflow answer with instead of a number."""
_OF_CODE = (ScorerKind.DECORATOR, ScorerKind.CLASS)
"""Kinds that ask no language model unless their author does; all others ask through MLflow, which our ledger misses."""
_SEEN = ("inputs", "outputs", "expectations")


@dataclass(frozen=True)
class ScorerMetric:
    """A scorer of MLflow as a metric of ours: booleans, "yes" and "no", and numbers in [0, 1] are scores."""

    scorer: Scorer = field(repr=False)
    version: str
    """Whatever the scorer's result rests on besides its own code: prompt version, model."""
    called: str = ""

    @property
    def name(self) -> str:
        """As reports call it: as it is called here, or else "mlflow:" and its own name."""
        return self.called or f"mlflow:{self.scorer.name}"

    @property
    def digest(self) -> str:
        """Of the scorer's name, kind and source, and of the version."""
        return digest_json([f"mlflow:{self.scorer.name}", self.scorer.kind.value, _source(self.scorer), self.version])

    def __call__(self, case: Case, episode: Episode) -> Score:
        """Judge one episode of one case; what a scorer raises is the grader's fault."""
        return foreign_score(self.name, case, episode, self._mark)

    def _mark(self, case: Case, episode: Episode) -> Mark:
        prediction = episode.prediction
        if prediction is None:
            return unanswered(episode)
        with boundary(EvaluationError, f"scorer {self.scorer.name!r}"):
            result: object = self.scorer.run(  # type: ignore[no-untyped-call]
                inputs={"request": case.request, "case_id": case.case_id},
                outputs=_said(prediction),
                expectations=_expected(case),
            )
        return _scaled(result)


def scorer_metric(foreign: Scorer, *, version: str = "", called: str = "") -> ScorerMetric:
    """A scorer as a metric, `called` so or else "mlflow:" and its own name.

    Raises: TrackingError if it needs a trace or a session, which an episode is not.
    """
    needed = {"trace", "session"} & {*inspect.signature(foreign.__call__).parameters}
    builtin = not {*_SEEN} & {*inspect.signature(foreign.__call__).parameters}
    if needed and builtin:
        raise TrackingError(f"scorer {foreign.name!r}: needs a {min(needed)}, which an episode is not; use another")
    return ScorerMetric(foreign, version, called)


def load_scorer(place: str, *, called: str = "") -> ScorerMetric:
    """The scorer that stands at "file.py:name" or "module:name", as a metric; its code is run to find it.

    A file is read anew each time, and stands alone. Whoever changes anything in the scorer's file, or its module's,
    has another scorer; what that imports is not looked at.

    Raises: TrackingError if there is no scorer, it asks a language model past the ledger, or needs a trace.
    """
    where, _, name = place.rpartition(":")
    if not where or not name.isidentifier():
        raise TrackingError(f"scorer {place!r}: is not a place; write file.py:name or module:name")
    module = _read_module(Path(where)) if where.endswith(".py") else _import_module(where)
    known = {key: value for key, value in vars(module).items() if isinstance(value, Scorer)}
    if name not in known:
        hint = nearest(name, known) if known else "decorate a function with mlflow.genai.scorers.scorer"
        raise TrackingError(f"scorer {place!r}: there is no scorer {name!r}; {hint}")
    if known[name].kind not in _OF_CODE:
        kind = known[name].kind.value
        raise TrackingError(
            f"scorer {place!r}: is of MLflow's kind {kind}, which asks a language model past the ledger; write a judge"
        )
    version = digest_file(Path(module.__file__)) if module.__file__ else ""
    return scorer_metric(known[name], version=version, called=called)


def metric_scorer(metric: Metric, cases: Sequence[Case]) -> Scorer:
    """A metric of ours as a scorer: `inputs` must have the `case_id` of one of the cases.

    `outputs` is a text, or a Prediction as an object. An unscored answer is a Feedback with an error, not a zero.
    """
    known = {case.case_id: case for case in cases}

    @scorer(name=metric.name)
    def score(inputs: dict[str, JsonValue], outputs: JsonValue) -> Feedback:
        case_id = str(inputs.get("case_id", ""))
        if case_id not in known:
            raise TrackingError(
                f"case {case_id!r}: is not among those of metric {metric.name!r}; {nearest(case_id, known)}"
            )
        prediction = _prediction(case_id, outputs)
        found = metric(known[case_id], Episode(case_id=case_id, prediction=prediction, milliseconds=0))
        if found.value is None and not found.reason.startswith(INAPPLICABLE):
            return Feedback(name=metric.name, error=EvaluationError(found.reason))
        return Feedback(name=metric.name, value=found.value, rationale=found.reason or None)

    return score


def _import_module(name: str) -> ModuleType:
    with boundary(TrackingError, f"scorers of module {name!r}: can't be imported"):
        return importlib.import_module(name)


def _read_module(path: Path) -> ModuleType:
    """Run a file as a module of its own: the interpreter's cache would miss an edit within a second."""
    if not path.is_file():
        raise TrackingError(f"scorers ({path}): the file is missing; its path goes from the experiment file")
    code = path.read_bytes()
    module = ModuleType(f"scorers_{digest_json([str(path), digest_bytes(code)])[:12]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # classes look their module up by name
    with boundary(TrackingError, f"scorers ({path}): can't be run"):
        exec(compile(code, str(path), "exec"), vars(module))  # noqa: S102 - a scorer is code that a person wrote
    return module


def _prediction(case_id: str, outputs: JsonValue) -> Prediction:
    if isinstance(outputs, str):
        return Prediction(answer=outputs)
    try:
        return Prediction.model_validate(outputs)
    except ValidationError as cause:
        raise TrackingError(f"case {case_id!r}: its outputs are neither a text nor a Prediction") from cause


def _said(prediction: Prediction) -> JsonValue:
    if prediction.answer is not None:
        return prediction.answer
    return prediction.call.model_dump(mode="json") if prediction.call is not None else ""


def _expected(case: Case) -> dict[str, JsonValue]:
    return {"expected_response": case.task.answers[0]} if isinstance(case.task, ExpectedAnswer) else {}


def _scaled(result: object) -> Mark:
    """What a scorer returned as a score, and why it is none."""
    value, rationale = result, ""
    if isinstance(result, Feedback):
        if result.error is not None:
            return Mark(None, f"grader: {result.error.error_code}: {result.error.error_message}")
        value, rationale = result.value, result.rationale or ""
    if value is None:
        return Mark(None, f"{INAPPLICABLE}the scorer gave no value")
    if isinstance(value, str):
        value = _WORDS.get(value.lower(), value)
    if isinstance(value, bool | int | float) and 0 <= value <= 1:
        return Mark(float(value), rationale)
    return Mark(None, f"grader: the scorer returned {value!r}, which is no score in [0, 1]")


def _source(foreign: Scorer) -> str:
    """Digest of the code that scores; of the class's name where it can't be read."""
    function = getattr(foreign, "_original_func", None) or type(foreign)
    try:
        return digest_bytes(inspect.getsource(function).encode())
    except (OSError, TypeError):
        return digest_json([type(foreign).__module__, type(foreign).__qualname__])
