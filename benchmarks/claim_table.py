"""Every agent of a finite space on real claims, tabulated once: what search benchmarks replay thousands of times.

The task is SciFact: show the abstract that bears on a claim. Retrieval is ours and real: BM25, embeddings and their
fusion over all 5,183 abstracts. The answerer is no model: a case is right if a judged abstract is among those shown,
so a point's truth follows from the rankings alone. What a case costs is the number of tokens that its prompt would
have: claim, abstracts shown and demos; an agent that abstains shows none, costs none, and is wrong, since each claim
has an abstract. Demos cost and bring nothing here: a search has to find that out.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from benchmarks.shared_data import shared
from workbench.agents import AgentSpec, Program
from workbench.core import Case, Corpus, Document, ExpectedAnswer, stream
from workbench.datasets import default_cache, fetch, load_registry
from workbench.lms import LMSpec
from workbench.optimize import Space
from workbench.retrieval import Embedder, IndexSpec, build_index, reciprocal_rank_fusion
from workbench.retrieval.bm25 import Bm25Index
from workbench.retrieval.dense import DenseIndex
from workbench.retrieval.index import rank

ATTRIBUTION = (
    "scifact, Wadden et al. 2020, through BEIR, Thakur et al. 2021 (claims CC BY 4.0, abstracts ODC-By 1.0); "
    "the answerer is tabulated from real rankings, no language model is asked"
)
MOST_SHOWN = 20
SEED = 7
SPACE: Space = {
    "index.retriever": ["bm25", "dense", "hybrid"],
    "index.k1": [0.4, 0.8, 1.2, 2.0],
    "index.b": [0.0, 0.4, 0.75, 1.0],
    "index.tokens": [32, 96],
    "index.rrf_k": [2.0, 10.0, 60.0, 200.0],
    "index.depth": [20, 50, 100],
    "k": [1, 2, 3, 4, 6, 8, 10, 14, 20],
    "abstain_below": [0.0, 0.3, 0.4, 0.5, 0.6, 0.7],
    "demos": [0, 2, 4, 8],
}
"""248,832 points, of which 83,952 differ in what they do."""

Ranking = tuple[NDArray[np.int64], NDArray[np.float64]]
"""For each claim the positions of the best abstracts, -1 where there is none, and their cosines."""


@dataclass(frozen=True)
class Act:
    """What an agent of the space does: its spec without what it does not look at. What acts alike is one agent."""

    index: IndexSpec
    k: int
    abstain_below: float
    demos: int


def settled(spec: AgentSpec) -> Act:
    """What the agent of that spec does."""
    # Without vectors nothing is said of similarity, so nothing abstains.
    abstains = 0.0 if spec.index.retriever == "bm25" else spec.abstain_below
    return Act(canonical(spec.index), spec.k, abstains, spec.demos)


def start() -> AgentSpec:
    """The agent that every search begins with: what a person would write down first."""
    solved = Program(predictors={"respond": {"demos": [{"request": f"solved claim {n}"} for n in range(max_demos())]}})
    index, lm = IndexSpec(retriever="bm25"), LMSpec(model="tabulated")
    return AgentSpec(pattern="answer", lm=lm, index=index, k=6, demos=4, program=solved)


@dataclass(frozen=True)
class Claims:
    """The claims of one split, with what is judged relevant."""

    cases: tuple[Case, ...]
    relevant: NDArray[np.bool_]
    """A row for each claim, a column for each abstract."""
    tokens: NDArray[np.float64]
    """Of the claim itself."""


@dataclass
class Table:
    """What each agent of the space does on each claim."""

    corpus: Corpus
    claims: Mapping[str, Claims]
    """"val", which searches see, and "test", which they don't."""
    tokens: NDArray[np.float64]
    """Of each abstract."""
    demo_tokens: NDArray[np.float64]
    """Of the first n demos, for n from 0."""
    tokenizer: Path
    _rankings: dict[tuple[str, IndexSpec], Ranking] = field(default_factory=dict)
    _words: dict[tuple[float, float], Bm25Index] = field(default_factory=dict)
    _meanings: dict[int, DenseIndex] = field(default_factory=dict)
    _orders: dict[tuple[str, str], tuple[NDArray[np.int64], ...]] = field(default_factory=dict)
    _cosines: dict[tuple[str, int], list[NDArray[np.float64]]] = field(default_factory=dict)

    def outcome(self, act: Act, split: str) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """For each claim whether the agent is right, and its tokens."""
        claims = self.claims[split]
        found, cosines = self.ranking(act.index, split)
        shown, similar = found[:, : act.k], cosines[:, : act.k].max(axis=1)
        exists = shown >= 0
        hit = np.take_along_axis(claims.relevant, shown, axis=1) & exists
        answered = exists.any(axis=1) & (similar >= act.abstain_below)
        spent = claims.tokens + self.demo_tokens[act.demos] + (self.tokens[shown] * exists).sum(axis=1)
        return hit.any(axis=1) & answered, np.where(answered, spent, 0.0)

    def ranking(self, spec: IndexSpec, split: str) -> Ranking:
        """The best abstracts of each claim, in the order that the index of that spec gives them."""
        key = (split, canonical(spec))
        if key not in self._rankings:
            self._rankings[key] = self._rank(key[1], split)
        return self._rankings[key]

    def _rank(self, spec: IndexSpec, split: str) -> Ranking:
        count = len(self.claims[split].cases)
        found, cosines = np.full((count, MOST_SHOWN), -1), np.ones((count, MOST_SHOWN))
        for row in range(count):
            best = self._best(spec, split, row)[:MOST_SHOWN]
            found[row, : len(best)] = best
            if spec.retriever != "bm25":
                cosines[row, : len(best)] = self._similar(spec.tokens, split)[row][best]
        return found, cosines

    def _best(self, spec: IndexSpec, split: str, row: int) -> Sequence[int]:
        if spec.retriever == "bm25":
            return list(map(int, self._by_words(spec, split)[row]))
        if spec.retriever == "dense":
            return list(map(int, self._by_meaning(spec.tokens, split)[row]))
        depth = max(spec.depth, MOST_SHOWN)
        both = (self._by_words(spec, split)[row][:depth], self._by_meaning(spec.tokens, split)[row][:depth])
        fused = reciprocal_rank_fusion([[self._names[at] for at in one] for one in both], constant=spec.rrf_k)
        return [self._places[name] for name, _score in fused[:MOST_SHOWN]]

    def _by_words(self, spec: IndexSpec, split: str) -> tuple[NDArray[np.int64], ...]:
        key = (split, f"words {spec.k1} {spec.b}")
        if key not in self._orders:
            if (spec.k1, spec.b) not in self._words:
                index = build_index(self.corpus, IndexSpec(retriever="bm25", k1=spec.k1, b=spec.b))
                assert isinstance(index, Bm25Index), "asked for by its name"
                self._words[spec.k1, spec.b] = index
            lexical = self._words[spec.k1, spec.b]
            everything = np.arange(len(self._ids))
            scored = (lexical.score(case.request, everything) for case in self.claims[split].cases)
            self._orders[key] = tuple(_order(scores, self._ids, positive=True) for scores in scored)
        return self._orders[key]

    def _by_meaning(self, tokens: int, split: str) -> tuple[NDArray[np.int64], ...]:
        key = (split, f"meaning {tokens}")
        if key not in self._orders:
            rows = self._similar(tokens, split)
            self._orders[key] = tuple(_order(scores, self._ids, positive=False) for scores in rows)
        return self._orders[key]

    def _similar(self, tokens: int, split: str) -> list[NDArray[np.float64]]:
        if (split, tokens) not in self._cosines:
            if tokens not in self._meanings:
                spec = IndexSpec(retriever="dense", tokens=tokens)
                self._meanings[tokens] = DenseIndex(self.corpus, spec, Embedder(self.tokenizer))
            scored = (self._meanings[tokens].similarity(case.request) for case in self.claims[split].cases)
            self._cosines[split, tokens] = [cosines.astype(np.float64) for cosines in scored]
        return self._cosines[split, tokens]

    @cached_property
    def _names(self) -> list[str]:
        return [document.doc_id for document in self.corpus.documents]

    @cached_property
    def _ids(self) -> NDArray[np.str_]:
        return np.array(self._names)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self._names)}


def canonical(spec: IndexSpec) -> IndexSpec:
    """The spec without what its retriever does not look at."""
    seen = {"bm25": ("k1", "b"), "dense": ("tokens",), "hybrid": ("k1", "b", "tokens", "rrf_k", "depth")}
    return IndexSpec(retriever=spec.retriever, **{name: getattr(spec, name) for name in seen[spec.retriever]})


def _order(scores: NDArray[np.floating], ids: NDArray[np.str_], *, positive: bool) -> NDArray[np.int64]:
    """The best positions, as deep as any ranking is looked at."""
    best = np.array(rank(scores, ids)[:128], dtype=np.int64)
    return best[scores[best] > 0] if positive else best


def read_table(*, val: int, test: int, abstracts: int | None = None) -> Table:
    """The abstracts with the first `val` claims of a shuffled train part and the first `test` of the test part.

    `abstracts` keeps that many, those that are relevant for a claim first; None is all.

    Raises: DataError if the shared data is not there.
    """
    folder = shared("scifact")
    rows = _rows(folder / "corpus.jsonl.gz")
    documents = [Document(doc_id=row["_id"], title=row["title"], text=row["text"]) for row in rows]
    entry = load_registry().entry("minilm_tokenizer")
    path = next(fetch(entry, cache=default_cache()).rglob("tokenizer.json"))
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    asked = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl.gz")}
    train, held_out = (_qrels(folder / name) for name in ("qrels.train.tsv.gz", "qrels.tsv.gz"))
    order = sorted(train)
    stream(SEED, "claims").shuffle(order)
    judged_docs = [*(train[name] for name in order[:val]), *(held_out[name] for name in sorted(held_out)[:test])]
    wanted = {one for named in judged_docs for one in named}
    documents = sorted(documents, key=lambda document: document.doc_id not in wanted)[:abstracts]
    places = {document.doc_id: place for place, document in enumerate(documents)}
    tokens = _count(tokenizer, [document.text for document in documents])
    demos = [claim for claim in order[val:] if all(one in places for one in train[claim])][: max_demos()]
    demo_tokens = [_count(tokenizer, [asked[claim]])[0] + tokens[places[train[claim][0]]] for claim in demos]

    def claims(names: Sequence[str], judged: Mapping[str, Sequence[str]]) -> Claims:
        relevant = np.zeros((len(names), len(documents)), dtype=np.bool_)
        for row, name in enumerate(names):
            relevant[row, [places[one] for one in judged[name]]] = True
        cases = tuple(_case(name, asked[name], judged[name]) for name in names)
        return Claims(cases, relevant, _count(tokenizer, [case.request for case in cases]))

    return Table(
        corpus=Corpus(name="scifact", documents=tuple(documents)),
        claims={"val": claims(order[:val], train), "test": claims(sorted(held_out)[:test], held_out)},
        tokens=tokens,
        demo_tokens=np.cumsum([0.0, *demo_tokens]),
        tokenizer=path,
    )


def max_demos() -> int:
    """The most demos of the space."""
    return max(count for count in SPACE["demos"] if isinstance(count, int))


def _case(name: str, text: str, judged: Sequence[str]) -> Case:
    expected = ExpectedAnswer(answers=tuple(judged), documents=tuple(judged))
    return Case(case_id=f"claim-{name}", request=text, expected=expected, cluster=f"claim-{name}")


def _count(tokenizer: Tokenizer, texts: Sequence[str]) -> NDArray[np.float64]:
    # Each text is framed by two tokens of the model, which no prompt has.
    return np.array([len(one.ids) - 2 for one in tokenizer.encode_batch(list(texts))], dtype=np.float64)


def _qrels(path: Path) -> dict[str, list[str]]:
    """The relevant abstracts of each claim."""
    found: dict[str, list[str]] = {}
    for line in gzip.decompress(path.read_bytes()).decode().splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            found.setdefault(query, []).append(document)
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    return rows
