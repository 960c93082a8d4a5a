"""BM25 against rank_bm25, which scores every document for every word: the same rankings, and how much sooner."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figure
from benchmarks.speed_texts import abstracts, claims, spliced_corpus
from benchmarks.speed_times import take_times
from workbench.core import Corpus
from workbench.retrieval import IndexSpec, analyze, searchable
from workbench.retrieval.bm25 import Bm25Index, Reference

HITS = 10
FEW, MANY = 100.0, 500.0
_SPLICED, _LESS_SPLICED = 50_000, 20_000


def lines(quick: bool) -> list[Figure]:
    """5,183 abstracts, and 50,000 spliced texts; quick splices 20,000 of which no target is asked."""
    first = _compare(abstracts(), asked=10 if quick else 50, least=FEW)
    return first + _compare(spliced_corpus(_LESS_SPLICED if quick else _SPLICED), 4 if quick else 12, MANY, quick)


def _compare(corpus: Corpus, asked: int, least: float, quick: bool = False) -> list[Figure]:
    began = time.process_time()
    index = Bm25Index(corpus, IndexSpec(retriever="bm25"))
    built = time.process_time() - began
    words = [analyze(searchable(document)) for document in corpus.documents]
    began = time.process_time()
    peer = Reference(words, k1=index.spec.k1, b=index.spec.b)
    peer_built = time.process_time() - began
    ids, queries = np.array([document.doc_id for document in corpus.documents]), claims()[:300]
    index.search(queries[0], HITS)
    ours = take_times(lambda query: index.search(query, HITS), queries)
    # The peer is not charged for choosing the best, only for its scores.
    theirs = take_times(lambda query: peer.get_scores(analyze(query)), queries[:asked], passes=1)
    ours_again = take_times(lambda query: index.search(query, HITS), queries[:asked])
    same = sum(_first(peer.get_scores(analyze(query)), ids) == _found(index, query) for query in queries[:asked])
    ratio, name = theirs.cpu / ours_again.cpu, f"BM25, {len(corpus.documents):,} documents: "
    enough = None if quick else ratio >= least
    return [
        Figure(name + "times rank_bm25", ratio, "" if quick else f"at least {least:g}", enough),
        Figure("  CPU ms a query, words cut included", ours.cpu),
        Figure("  p95 ms on the clock", ours.p95),
        Figure("  rank_bm25: CPU ms a query", theirs.cpu),
        Figure(f"  rankings that are the same, of {asked}", same, f"{asked}", same == asked),
        Figure("  CPU s to build, words cut included", built),
        Figure("  rank_bm25: CPU s to build, from words", peer_built),
    ]


def _first(scores: NDArray[np.float64], ids: NDArray[np.str_]) -> list[tuple[str, float]]:
    order = np.lexsort((ids, -scores))[:HITS]
    return [(str(ids[place]), float(scores[place])) for place in order if scores[place] > 0]


def _found(index: Bm25Index, query: str) -> Sequence[tuple[str, float]]:
    return [(hit.doc_id, hit.score) for hit in index.search(query, HITS)]
