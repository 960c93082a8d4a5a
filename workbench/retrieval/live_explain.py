"""Why a live index ranks as it does: for one question, every number that made the order."""

import numpy as np

from workbench.core import Record, RetrievalError
from workbench.retrieval.index import Hit
from workbench.retrieval.live import LiveIndex
from workbench.retrieval.live_feedback import weigh_query
from workbench.retrieval.live_generation import Generation, Spot
from workbench.retrieval.live_words import Weight, score_word
from workbench.retrieval.view import ANYONE, View


class WordWeight(Record):
    """A word of the question."""

    word: str
    documents: int
    """How many living ones have it, whoever may read them; 0 adds nothing."""
    idf: float
    share: float = 1.0
    """How much it counts: 1 for each time that it is asked for, unless the spec expands questions."""


class WordPart(Record):
    """What a word adds to a document's score."""

    word: str
    count: int
    score: float


class HitReasons(Record):
    """A hit, and where its score by words comes from; its ranks and its cosine are parts of the hit."""

    hit: Hit
    words: tuple[WordPart, ...]
    """Their scores make "bm25", each as often as the question says it; of an expanded question each once."""
    length: int
    """Words of the document, with repeats."""
    length_norm: float
    """1 - b + b · length / average length: how much more often a word has to occur to count as much."""


class Explanation(Record):
    """Every score behind an answer."""

    query: str
    retriever: str
    fusion: str
    """"rrf" or "convex", where there is anything to fuse; else empty."""
    generation: int
    documents: int
    visible: int
    """Those of them that the view allows: only they are ranked."""
    average_length: float
    words: tuple[WordWeight, ...]
    hits: tuple[HitReasons, ...]


def explain(index: LiveIndex, query: str, k: int, view: View = ANYONE) -> Explanation:
    """What `search` finds, and why.

    Raises: RetrievalError if k is less than 1, the query is blank, or the index can't be read.
    """
    if not query.strip():
        raise RetrievalError("query: is blank, so there is nothing to explain; ask something")
    generation = index.current()
    spec, words = generation.manifest.spec, index.ask(query.strip()).words
    allowed = [part.allowed(view) for part in generation.parts]
    weights = {one.word: one for one in weigh_query(generation, words, allowed)}
    seen = () if spec.retriever == "dense" else tuple(dict.fromkeys((*words, *weights)))
    found = index.rank(generation, query, k, view)
    return Explanation(
        query=query.strip(),
        retriever=spec.retriever,
        fusion=spec.fusion if spec.retriever == "hybrid" else "",
        generation=generation.manifest.generation,
        documents=generation.documents,
        visible=sum(int(np.count_nonzero(mask)) for mask in allowed),
        average_length=generation.average_length,
        words=tuple(_weight(word, weights.get(word)) for word in seen),
        hits=tuple(_reasons(generation, one.spot, one.hit, list(weights.values())) for one in found),
    )


def _weight(word: str, weight: Weight | None) -> WordWeight:
    if weight is None:
        return WordWeight(word=word, documents=0, idf=0.0)
    return WordWeight(word=word, documents=weight.documents, idf=weight.idf, share=weight.share)


def _reasons(generation: Generation, spot: Spot, hit: Hit, weights: list[Weight]) -> HitReasons:
    part, spec = generation.parts[spot.part], generation.manifest.spec
    length, words = int(part.segment.lengths[spot.place]), []
    for weight in weights:
        posting = weight.postings[spot.part]
        at = [] if posting is None else np.flatnonzero(posting.places == spot.place).tolist()
        if posting is not None and at:
            score = score_word(part, weight.idf, posting, spec, generation.average_length)[at[0]]
            added = weight.share * float(score)
            words.append(WordPart(word=weight.word, count=int(posting.counts[at[0]]), score=added))
    norm = 1 - spec.b + spec.b * length / generation.average_length if generation.words else 1.0
    return HitReasons(hit=hit, words=tuple(words), length=length, length_norm=norm)
