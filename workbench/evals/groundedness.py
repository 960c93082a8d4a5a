"""Is an answer attributable to its source? A trained scorer that asks no model.

A regularised logistic regression on counted features. What it learned is an `AttributionScorer`: a few dozen
numbers in JSON, named by their digest, that need no training library to be used. As a metric it says for each answer
whether the retrieved passages support all of it; as it errs, a rate that is made of its marks is to be corrected
with `corrected_rate`.

Limits: it was trained on English answers of one or two sentences beside a source of one sentence, and it counts
words: an answer that turns what its source says into the contrary with the source's own words passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from workbench.core import (
    INAPPLICABLE,
    Case,
    Corpus,
    Episode,
    EvaluationError,
    Prediction,
    Record,
    Score,
    digest_file,
    digest_json,
    read_record,
)
from workbench.evals.corrected import Calibration, calibrate
from workbench.evals.groundedness_features import FEATURES, Pair, features, features_digest
from workbench.evals.metric import unanswered

_SHIPPED = Path(__file__).with_name("groundedness.json")
_FOLDS = 10
_STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse strengths of the penalty that are tried; from a scorer that hardly dares to one that is hardly held."""
_SHOWN = 5
_HANDED = {"documents", "passages"}
"""Outputs of a retriever that an answer can rest on; one of tools has neither."""

Floats = NDArray[np.float64]


class Example(Record):
    """An answer beside its source, with people's word on it."""

    request: str = ""
    answer: str
    source: str
    attributable: bool
    """Whether the source supports all of the answer."""


class Provenance(Record):
    """What a scorer was trained on."""

    name: str
    sha256: str
    """Of the file."""
    licence: str
    attribution: str
    examples: int = Field(ge=1)


class AttributionScorer(Record):
    """What was learned: the probability that an answer is attributable is 1 / (1 + exp(-(intercept + weights · x)))."""

    version: int = 1
    features_digest: str
    """Of what was counted: weights learned on other features would be nonsense."""
    intercept: float
    weights: dict[str, float]
    """Of each feature as counted, not standardised."""
    threshold: float = Field(gt=0, lt=1)
    """From this probability on an answer counts as attributable: the share of such examples in training, which for a
    calibrated probability is best for both kinds alike."""
    calibration: Calibration
    """Its marks on its own training examples, each made without the group of the example's source; faulty is an
    answer that is not attributable. Good for a first look: label answers of your own for a rate that you rely on."""
    trained_on: Provenance

    @cached_property
    def _weights(self) -> Floats:
        return np.array([self.weights[name] for name in FEATURES])

    def probabilities(self, pairs: Sequence[Pair]) -> Floats:
        """For each pair the probability that its source supports all of the answer."""
        return _sigmoid(self.intercept + features(pairs) @ self._weights)


def train(examples: Sequence[Example], provenance: Provenance) -> AttributionScorer:
    """Learn from labelled answers; the same examples give the same scorer.

    The penalty is chosen by cross-validated log loss; examples of one source are never in two folds.
    Raises: EvaluationError if there are fewer than ten sources, or all labels are equal.
    """
    labels = np.array([example.attributable for example in examples])
    groups = np.unique([example.source.lower() for example in examples], return_inverse=True)[1]
    if len(np.unique(groups)) < _FOLDS or len(np.unique(labels)) < 2:
        raise EvaluationError(
            f"scorer of {provenance.name!r}: {len(examples)} examples of {len(np.unique(groups))} sources can't teach "
            f"it; give both kinds of answers, of at least {_FOLDS} sources"
        )
    table = features([Pair(example.answer, example.source, example.request) for example in examples])
    fitted = _fit(table, labels, groups)
    threshold = float(labels.mean())
    return AttributionScorer(
        features_digest=features_digest(),
        intercept=fitted.intercept,
        weights=dict(zip(FEATURES, fitted.weights.tolist(), strict=True)),
        threshold=threshold,
        calibration=calibrate(
            (~labels).tolist(), (fitted.held_out < threshold).tolist(), [str(group) for group in groups]
        ),
        trained_on=provenance,
    )


class _Fitted(NamedTuple):
    intercept: float
    weights: Floats
    held_out: Floats
    """For each example the probability by a scorer that has not seen its source."""


def _fit(table: Floats, labels: NDArray[np.bool_], groups: NDArray[np.int64]) -> _Fitted:
    # Here and not above: using a scorer must not load a training library.
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    folds = list(GroupKFold(_FOLDS).split(table, labels, groups))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    grid = {"logisticregression__C": _STRENGTHS}
    search = GridSearchCV(model, grid, scoring="neg_log_loss", cv=folds).fit(table, labels)
    held_out = cross_val_predict(search.best_estimator_, table, labels, cv=folds, method="predict_proba")[:, 1]
    scaler, regression = (step for _name, step in search.best_estimator_.steps)
    weights = regression.coef_[0] / scaler.scale_
    return _Fitted(float(regression.intercept_[0] - weights @ scaler.mean_), weights, held_out)


def read_scorer(path: Path = _SHIPPED) -> AttributionScorer:
    """Read a scorer; without a path the one that is shipped.

    Raises: DataError if the file is missing or wrong; EvaluationError if it was trained on other features.
    """
    scorer = read_record(path, AttributionScorer)
    if scorer.features_digest != features_digest() or list(scorer.weights) != list(FEATURES):
        raise EvaluationError(f"scorer ({path}): was trained on other features than this version counts; train it anew")
    return scorer


@dataclass(frozen=True)
class Groundedness:
    """A metric: 1.0 if the passages that the agent retrieved support all of its answer, else 0.0.

    The source is what retriever steps handed over: texts as they stand, ids of documents by their text in the corpus.
    """

    scorer: AttributionScorer
    texts: Mapping[str, str]
    """The text of each document that steps name by its id."""
    corpus_digest: str = ""
    name: str = "groundedness"

    @property
    def digest(self) -> str:
        """Of the scorer, the code, and the corpus."""
        code = [
            digest_file(Path(__file__).with_name(f"{name}.py")) for name in ("groundedness", "groundedness_features")
        ]
        return digest_json([self.name, self.scorer.digest, *code, self.corpus_digest])

    def __call__(self, case: Case, episode: Episode) -> Score:
        """Judge one episode of one case."""
        value, reason = self._mark(case, episode)
        return Score(case_id=case.case_id, repeat=episode.repeat, metric=self.name, value=value, reason=reason)

    def _mark(self, case: Case, episode: Episode) -> tuple[float | None, str]:
        prediction = episode.prediction
        if prediction is None:
            value, why = unanswered(episode)
            return None, why if value is None else f"{INAPPLICABLE}there is no answer: {why}"
        if prediction.abstained or not prediction.answer:
            return None, f"{INAPPLICABLE}there is no answer"
        passages, lacking = retrieved(prediction, self.texts)
        if lacking:
            return None, f"grader: document {lacking[0]!r}: its text is not known here; pass the corpus"
        if passages is None:
            return None, f"{INAPPLICABLE}the agent retrieved nothing that an answer could rest on"
        pair = Pair(prediction.answer, "\n".join(passages), case.request)
        probability = float(self.scorer.probabilities([pair])[0])
        if probability >= self.scorer.threshold:
            return 1.0, ""
        shown = ", ".join(dict.fromkeys(pair.novel_content[:_SHOWN]))
        return 0.0, f"attributable with probability {probability:.2f}" + (f"; not in the source: {shown}" * bool(shown))


def bind_groundedness(corpus: Corpus | None = None, scorer: AttributionScorer | None = None) -> Groundedness:
    """The metric over a corpus; without a scorer with the shipped one.

    Raises: DataError or EvaluationError if the shipped scorer can't be used.
    """
    documents = corpus.documents if corpus else ()
    texts = {document.doc_id: document.text for document in documents}
    return Groundedness(scorer or read_scorer(), texts, corpus.digest if corpus else "")


def retrieved(prediction: Prediction, texts: Mapping[str, str]) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """The passages that retriever steps handed over, and the ids whose text is unknown; None without such a step.

    A step names documents by id under "documents", or holds texts under "passages".
    """
    steps = [step for step in prediction.steps if step.kind == "retriever" and _HANDED & step.outputs.keys()]
    held = [text for step in steps for text in _strings(step.outputs.get("passages"))]
    ids = [key for step in steps for key in _strings(step.outputs.get("documents"))]
    known = [texts[key] for key in ids if key in texts]
    lacking = tuple(key for key in ids if key not in texts) if not held else ()
    return (tuple(dict.fromkeys((*held, *known))) if steps else None), lacking


def _strings(value: JsonValue) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-values)), dtype=np.float64)
