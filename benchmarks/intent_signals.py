"""Signals of how sure one may be of a request's intent: from retrieval and from a light classifier, no model call.

Everything is learnt from reference messages, which have known intents; each signal is a column, higher is surer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from workbench.core import Corpus, Document
from workbench.retrieval import IndexSpec, Vectors, analyze, build_index

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Labels = NDArray[np.int64]

SIGNALS = (
    "dense: top similarity",
    "dense: margin of two best intents",
    "dense: vote entropy of neighbours",
    "lexical: BM25 score by word",
    "agreement of lexical and dense",
    "classifier: top probability",
    "classifier: entropy",
    "classifier: log of summed scores",
)
NEIGHBOURS = 10
_TINY = 1e-12


@dataclass(frozen=True)
class Messages:
    """Messages with their vectors and intents, row by row."""

    texts: Sequence[str]
    vectors: Vectors
    labels: Labels

    def take(self, places: Labels) -> "Messages":
        """Those at these places, in this order."""
        return Messages([self.texts[place] for place in places], self.vectors[places], self.labels[places])


class Intents:
    """What the reference messages say of new ones."""

    def __init__(self, reference: Messages) -> None:
        self._reference = reference
        self._names, self._codes = np.unique(reference.labels, return_inverse=True)
        documents = tuple(Document(doc_id=str(place), text=text) for place, text in enumerate(reference.texts))
        self._lexical = build_index(Corpus(name="messages", documents=documents), IndexSpec(retriever="bm25"))
        # A cosine varies little, so it takes weak regularisation; more iterations change no digit that is shown.
        self._classifier = LogisticRegression(C=10.0, max_iter=100, tol=1e-3)
        self._classifier.fit(reference.vectors, self._codes)

    def measure(self, queries: Messages) -> tuple[Floats, Labels]:
        """The signals of each query, in the order of SIGNALS, and its likeliest intent."""
        cosines = queries.vectors @ self._reference.vectors.T
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]
        votes = self._votes(cosines, nearest)
        lexical, agreement = self._words(queries.texts, votes)
        scores = np.asarray(self._classifier.decision_function(queries.vectors), dtype=np.float64)
        most = scores.max(axis=1, keepdims=True)
        weights = np.exp(scores - most)
        chances = weights / weights.sum(axis=1, keepdims=True)
        columns = (
            cosines.max(axis=1),
            self._margin(cosines),
            _certainty(votes),
            lexical,
            agreement,
            chances.max(axis=1),
            _certainty(chances),
            most[:, 0] + np.log(weights.sum(axis=1)),
        )
        return np.column_stack(columns).astype(np.float64), self._names[scores.argmax(axis=1)]

    def _votes(self, cosines: Vectors, nearest: Labels) -> Floats:
        """The share of each intent among the nearest messages, by similarity."""
        votes = np.zeros((len(cosines), len(self._names)))
        rows = np.arange(len(cosines))[:, None]
        np.add.at(votes, (rows, self._codes[nearest]), np.maximum(cosines[rows, nearest], _TINY))
        shares: Floats = votes / votes.sum(axis=1, keepdims=True)
        return shares

    def _margin(self, cosines: Vectors) -> Floats:
        """How much nearer the nearest message is than the nearest one of another intent."""
        order = np.argsort(self._codes, kind="stable")
        starts = np.searchsorted(self._codes[order], np.arange(len(self._names)))
        best = np.sort(np.maximum.reduceat(cosines[:, order], starts, axis=1), axis=1)
        margin: Floats = (best[:, -1] - best[:, -2]).astype(np.float64)
        return margin

    def _words(self, texts: Sequence[str], votes: Floats) -> tuple[Floats, Floats]:
        """The best BM25 score by word of the query, and the share of votes for that message's intent."""
        scores, agreement = np.zeros(len(texts)), np.zeros(len(texts))
        for row, text in enumerate(texts):
            for hit in self._lexical.search(text, 1):
                scores[row] = hit.score / len(analyze(text))
                agreement[row] = votes[row, self._codes[int(hit.doc_id)]]
        return scores, agreement


def _certainty(shares: Floats) -> Floats:
    """Entropy, turned round: 0 is sure."""
    certainty: Floats = (shares * np.log(np.maximum(shares, _TINY))).sum(axis=1)
    return certainty
