"""Learned ranking: the first documents found, ordered anew by what judged queries taught.

A `Ranker` is trees of numbers in JSON: it needs neither the library that grew them nor a pickle. It sees cheap
features only, so it adds a millisecond to a query.
Source: Burges 2010, From RankNet to LambdaRank to LambdaMART: An Overview (the way the trees are grown).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from workbench.core import Corpus, Record
from workbench.retrieval.analyzer import Analyzer, words_of
from workbench.retrieval.fusion import Scores, standardize
from workbench.retrieval.index import searchable

FEATURES = (
    "bm25", "bm25_z", "bm25_share", "bm25_rank", "cosine", "cosine_z", "cosine_gap", "cosine_rank", "fused",
    "fused_rank", "feedback", "feedback_z", "aspect_bm25", "aspect_bm25_z", "aspect_cosine", "aspect_cosine_z",
    "covered", "covered_weight", "rarest_missing", "pairs", "title_covered", "document_words", "query_words",
)  # fmt: skip
"""What a ranker sees of a candidate, in order. "_z" is standardized over the candidates, "_share" and "_gap" compare
with the best of them, "_weight" counts a word by how rare it is."""


class Tree(Record):
    """A decision tree. Node 0 is the root; a child below 0 is the leaf -child - 1."""

    features: tuple[int, ...]
    """Of each inner node, the feature that it looks at."""
    thresholds: tuple[float, ...]
    """A value at or below it goes left."""
    left: tuple[int, ...]
    right: tuple[int, ...]
    leaves: tuple[float, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_a_tree(self) -> "Tree":
        nodes, leaves = len(self.features), len(self.leaves)
        lengths = {len(self.thresholds), len(self.left), len(self.right), nodes}
        # A child comes after its parent, so every way down ends.
        orderly = all(
            -leaves <= child < nodes and (child < 0 or child > node)
            for node, pair in enumerate(zip(self.left, self.right, strict=False))
            for child in pair
        )
        if lengths != {leaves - 1} or not orderly:
            raise ValueError(f"tree of {leaves} leaves: its {nodes} nodes don't lead to them; train the ranker again")
        return self


class Ranker(Record):
    """What was learned from judged queries: the sum of its trees, higher is better."""

    trees: tuple[Tree, ...] = Field(min_length=1)
    features: tuple[str, ...] = FEATURES
    queries: int = Field(default=0, ge=0)
    """Judged queries it was trained on."""

    @model_validator(mode="after")
    def _knows_the_features(self) -> "Ranker":
        if self.features != FEATURES:
            raise ValueError("ranker: was trained on other features than this version computes; train it again")
        if any(not 0 <= feature < len(FEATURES) for tree in self.trees for feature in tree.features):
            raise ValueError("ranker: a tree looks at a feature that there is not; train it again")
        return self

    def score(self, seen: NDArray[np.floating]) -> Scores:
        """The score of each row of features."""
        features, thresholds, children, leaves = self._stacked
        rows, trees = np.arange(len(seen))[:, None], np.arange(len(self.trees))[None, :]
        at = np.where(self._rooted, 0, -1) * np.ones((len(seen), 1), dtype=np.int64)
        while (open_ := at >= 0).any():
            node = np.maximum(at, 0)
            goes_right = seen[rows, features[trees, node]] > thresholds[trees, node]
            at = np.where(open_, children[trees, node, goes_right.astype(np.int64)], at)
        total: Scores = leaves[trees, -at - 1].sum(axis=1)
        return total

    @cached_property
    def _rooted(self) -> NDArray[np.bool_]:
        """Whether each tree has an inner node."""
        return np.array([bool(tree.features) for tree in self.trees])

    @cached_property
    def _stacked(self) -> tuple[NDArray[np.int64], Scores, NDArray[np.int64], Scores]:
        """All trees side by side, filled up to the largest."""
        wide = max(1, *(len(tree.features) for tree in self.trees))
        features, thresholds = np.zeros((len(self.trees), wide), np.int64), np.zeros((len(self.trees), wide))
        children, leaves = np.full((len(self.trees), wide, 2), -1), np.zeros((len(self.trees), wide + 1))
        for place, tree in enumerate(self.trees):
            nodes = len(tree.features)
            features[place, :nodes], thresholds[place, :nodes] = tree.features, tree.thresholds
            children[place, :nodes, 0], children[place, :nodes, 1] = tree.left, tree.right
            leaves[place, : len(tree.leaves)] = tree.leaves
        return features, thresholds, children, leaves


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the parts of an index say of the candidates of one query, a value for each."""

    positions: NDArray[np.int64]
    """Of the candidates in the corpus."""
    words: Scores
    meanings: Scores
    word_ranks: Scores
    meaning_ranks: Scores
    fused: Scores
    feedback: Scores
    aspect_words: Scores
    aspect_meanings: Scores
    """Of the request's best sentence; those of the whole request where it is not taken apart."""


class Lexicon:
    """The words of every document, and how rare each is."""

    def __init__(self, corpus: Corpus, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        listed = [words_of(searchable(document), analyzer) for document in corpus.documents]
        self._words = [frozenset(words) for words in listed]
        self._pairs = [frozenset(pairwise(words)) for words in listed]
        self._titles = [frozenset(words_of(document.title, analyzer)) for document in corpus.documents]
        self._lengths = [math.log1p(len(words)) for words in listed]
        self._found = Counter(word for words in self._words for word in words)

    def features(self, query: str, evidence: Evidence) -> Scores:
        """A row of `FEATURES` for each candidate."""
        asked = words_of(query, self._analyzer)
        fused_ranks = np.empty(len(evidence.fused))
        fused_ranks[np.argsort(-evidence.fused, kind="stable")] = np.arange(1, len(evidence.fused) + 1)
        e = evidence
        columns = [
            e.words, standardize(e.words), e.words / max(float(e.words.max()), 1e-9), np.log1p(e.word_ranks),
            e.meanings, standardize(e.meanings), e.meanings - e.meanings.max(), np.log1p(e.meaning_ranks),
            e.fused, np.log1p(fused_ranks), e.feedback, standardize(e.feedback),
            e.aspect_words, standardize(e.aspect_words), e.aspect_meanings, standardize(e.aspect_meanings),
        ]  # fmt: skip
        counted = np.array([self._counted(asked, int(position)) for position in e.positions])
        return np.column_stack([*columns, counted])

    def _counted(self, asked: Sequence[str], position: int) -> tuple[float, ...]:
        words, title = self._words[position], self._titles[position]
        unique, pairs = sorted(set(asked)), sorted(set(pairwise(asked)))
        weights = {word: self._weight(word) for word in unique}
        total = sum(weights.values()) or 1.0
        return (
            sum(word in words for word in unique) / max(1, len(unique)),
            sum(weights[word] for word in unique if word in words) / total,
            max((weights[word] for word in unique if word not in words), default=0.0),
            sum(pair in self._pairs[position] for pair in pairs) / max(1, len(pairs)),
            sum(weights[word] for word in unique if word in title) / total,
            self._lengths[position],
            math.log1p(len(unique)),
        )

    def _weight(self, word: str) -> float:
        """Source: Lucene, BM25Similarity, as in `Bm25Index`."""
        found = self._found[word]
        return math.log(1 + (len(self._words) - found + 0.5) / (found + 0.5))
