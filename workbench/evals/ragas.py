"""Ragas metrics as metrics of ours; with `ragas_queries` the only importer of ragas.

Importing ragas takes seconds (17 cold), so it happens when a metric is made and not when this module is imported.
Metrics that ask a language model ask ours through `structured`, so their calls are accounted for like any other;
they are judges, so they are `Guarded`: unscored until people's labels admit them.
"""

import inspect
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from workbench.core import (
    INAPPLICABLE,
    Case,
    ConfigError,
    Episode,
    EvaluationError,
    ExpectedAnswer,
    LMError,
    Prediction,
    Score,
    boundary,
    digest_json,
    nearest,
)
from workbench.evals.admission import Admission, Guarded
from workbench.evals.groundedness import retrieved
from workbench.evals.judge import JUDGING, ask
from workbench.evals.metric import Mark, foreign_score, unanswered

if TYPE_CHECKING:
    import dspy
    from ragas.llms import InstructorBaseRagasLLM

M = TypeVar("M", bound=BaseModel)
Column = str | list[str]
_GIVEN = ("user_input", "response", "reference", "retrieved_contexts")
"""What an episode of a case can fill in."""


class _Foreign(Protocol):
    """What ragas calls a metric."""

    name: str

    def score(self, **columns: Column) -> "_Result": ...


class _Result(Protocol):
    value: object
    reason: str | None


class _Built(NamedTuple):
    metric: _Foreign
    columns: tuple[str, ...]
    optional: tuple[str, ...]
    asks: bool


def ragas_metric(
    name: str,
    *,
    lm: "dspy.LM | None" = None,
    admission: Admission | None = None,
    texts: Mapping[str, str] | None = None,
    called: str = "",
) -> "RagasMetric | Guarded":
    """The metric of `ragas.metrics.collections` of that name, with its defaults.

    It is `called` so, or else "ragas:" and its own name.

    `lm` is for a metric that asks a language model; such a one is a judge and needs an `admission`. `texts` gives
    the text of each document that retriever steps name by its id.

    Raises: ConfigError for an unknown name, a metric that needs what we have not, or one that needs a model and got
    none.
    """
    built = _build(name, lm)
    held = (texts or {}) if "retrieved_contexts" in built.columns else {}
    rests_on = digest_json(dict(held)) if held else ""
    known_as = called or f"ragas:{built.metric.name}"
    if built.asks:
        return Guarded(RagasMetric(known_as, built, _identity(name, lm), held), admission, rests_on)
    return RagasMetric(known_as, built, digest_json([_identity(name, lm), rests_on]), held)


@dataclass(frozen=True)
class RagasMetric:
    """A metric of ragas, fed from a case and an episode."""

    name: str
    """As reports call it."""
    built: _Built = field(repr=False)
    identity: str
    texts: Mapping[str, str] = field(repr=False)

    @property
    def digest(self) -> str:
        """Of ragas's version, the metric, the model it asks, and what it looks things up in."""
        return self.identity

    def __call__(self, case: Case, episode: Episode) -> Score:
        """Judge one episode of one case; what ragas raises is the grader's fault."""
        return foreign_score(self.name, case, episode, self._mark)

    def _mark(self, case: Case, episode: Episode) -> Mark:
        prediction = episode.prediction
        if prediction is None:
            return unanswered(episode)
        known = _columns(case, prediction)
        if "retrieved_contexts" in self.built.columns:
            known |= _contexts(prediction, self.texts)
        lacking = [name for name in self.built.columns if name not in known and name not in self.built.optional]
        if lacking:
            return Mark(None, f"{INAPPLICABLE}there is no {lacking[0].replace('_', ' ')}")
        given = {name: known[name] for name in self.built.columns if name in known}
        return _scaled(self._result(case, given))

    def _result(self, case: Case, columns: Mapping[str, Column]) -> "_Result":
        from workbench.lms import scope  # noqa: PLC0415

        with scope(case=case.case_id, module=JUDGING + self.name), boundary(EvaluationError, f"metric {self.name!r}"):
            return self.built.metric.score(**columns)


def _scaled(result: _Result) -> Mark:
    """Ragas's value if it is a score; NaN is its word for unscored."""
    value = result.value
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        return Mark(None, f"grader: ragas returned {value!r}, which is no score in [0, 1]")
    return Mark(float(value), result.reason or "")


def _columns(case: Case, prediction: Prediction) -> dict[str, Column]:
    """What there is, by ragas's names."""
    columns: dict[str, Column] = {"user_input": case.request}
    if prediction.answer:
        columns["response"] = prediction.answer
    if isinstance(case.task, ExpectedAnswer):
        columns["reference"] = case.task.answers[0]
    return columns


def _contexts(prediction: Prediction, texts: Mapping[str, str]) -> dict[str, Column]:
    passages, unknown = retrieved(prediction, texts)
    if unknown:
        raise EvaluationError(f"document {unknown[0]!r}: its text is not known here; pass the corpus's texts")
    return {"retrieved_contexts": list(passages)} if passages else {}


def _build(name: str, lm: "dspy.LM | None") -> _Built:
    os.environ.setdefault("RAGAS_DO_NOT_TRACK", "true")  # before it is imported, or it reports what it is used for
    import ragas.metrics.collections as offered  # noqa: PLC0415

    kinds = {key: getattr(offered, key) for key in offered.__all__ if inspect.isclass(getattr(offered, key))}
    kinds = {key: kind for key, kind in kinds.items() if issubclass(kind, offered.BaseMetric)}
    if name not in kinds or kinds[name] is offered.BaseMetric:
        raise ConfigError(f"ragas metric {name!r}: is unknown; {nearest(name, [*kinds])}")
    made = inspect.signature(kinds[name].__init__).parameters
    asked = inspect.signature(kinds[name].ascore).parameters
    columns = tuple(key for key in asked if key in _GIVEN)
    optional = tuple(key for key in columns if asked[key].default is not inspect.Parameter.empty)
    needed = [
        key for key, one in asked.items() if one.default is inspect.Parameter.empty and key not in (*_GIVEN, "self")
    ]
    if needed or "embeddings" in made:
        lacking = needed[0] if needed else "an embedding model"
        raise ConfigError(f"ragas metric {name!r}: needs {lacking}, which an episode has not; use another metric")
    if "llm" in made and lm is None:
        raise ConfigError(f"ragas metric {name!r}: asks a language model; give it one as lm")
    make: Callable[..., _Foreign] = kinds[name]
    with boundary(ConfigError, f"ragas metric {name!r}"):
        metric = make(llm=structured(lm)) if "llm" in made and lm is not None else make()
    return _Built(metric, columns, optional, "llm" in made)


def _identity(name: str, lm: "dspy.LM | None") -> str:
    asked = [str(lm.model), str(lm.kwargs.get("temperature")), str(lm.kwargs.get("max_tokens"))] if lm else []
    return digest_json(["ragas", version("ragas"), name, *asked])


def structured(lm: "dspy.LM") -> "InstructorBaseRagasLLM":
    """Our model as ragas wants one: a prompt and a schema in, an object of that schema out."""
    from ragas.llms import InstructorBaseRagasLLM  # noqa: PLC0415

    class Structured(InstructorBaseRagasLLM):
        is_async = False

        def generate(self, prompt: str, response_model: type[M]) -> M:
            return ask_for(lm, prompt, response_model)

        async def agenerate(self, prompt: str, response_model: type[M]) -> M:
            return ask_for(lm, prompt, response_model)

    return Structured()


def ask_for(lm: "dspy.LM", prompt: str, kind: type[M]) -> M:
    """An answer of a model as an object.

    Raises: LMError if the model fails, or its answer is not of that kind.
    """
    schema = json.dumps(kind.model_json_schema())
    wanted = f"Answer with one JSON object of this JSON Schema and nothing else:\n{schema}"
    reply = ask(lm, f"{prompt}\n\n{wanted}", f"lm {lm.model!r}")
    start, end = reply.find("{"), reply.rfind("}")
    try:
        return kind.model_validate_json(reply[start : end + 1])
    except ValidationError as cause:
        raise LMError(f"lm {lm.model!r}: its answer is no {kind.__name__}: {reply[:200]!r}") from cause
