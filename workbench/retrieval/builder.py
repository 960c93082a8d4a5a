"""From a corpus to an index."""

from pathlib import Path

from workbench.core import Corpus, RetrievalError
from workbench.retrieval.bm25 import Bm25Index
from workbench.retrieval.dense import DenseIndex, Embedder
from workbench.retrieval.hybrid import HybridIndex
from workbench.retrieval.index import Index, IndexSpec, Vectors
from workbench.retrieval.rerank import Ranker
from workbench.retrieval.routed import RoutedIndex


def build_index(
    corpus: Corpus,
    spec: IndexSpec,
    *,
    tokenizer: Path | None = None,
    threads: int = 2,
    like: Index | None = None,
    ranker: Ranker | None = None,
) -> Index:
    """Make a corpus searchable as the spec says.

    `tokenizer` is the file tokenizer.json of the data set "minilm_tokenizer"; "bm25" needs none. `threads` is
    how many the embedding model uses; it changes no answer. `like` is another index whose vectors and counted words
    are taken over as far as they are the same: embedding is what takes time. `ranker` is the one that the spec names.

    Raises: RetrievalError if the corpus is empty, the tokenizer or the model is missing or changed, or the ranker is
    another than the spec names.
    """
    same = like is not None and (like.corpus.digest, _read(like.spec)) == (corpus.digest, _read(spec))
    vectors = like.vectors if like is not None and same else None
    built = assemble(corpus, spec, tokenizer=tokenizer, threads=threads, vectors=vectors, ranker=ranker)
    if isinstance(built, HybridIndex) and isinstance(like, HybridIndex):
        built.take_over(like)
    return built


def assemble(
    corpus: Corpus,
    spec: IndexSpec,
    *,
    tokenizer: Path | None,
    threads: int,
    vectors: Vectors | None,
    ranker: Ranker | None = None,
) -> Index:
    """The index over known vectors, or over new ones if they are None."""
    if not corpus.documents:
        raise RetrievalError(f"corpus {corpus.name!r}: has no documents, so there is nothing to index; add some")
    if spec.routes:
        plain = spec.model_copy(update={"routes": ()})
        inner = assemble(corpus, plain, tokenizer=tokenizer, threads=threads, vectors=vectors, ranker=ranker)
        return RoutedIndex(inner, spec)
    if spec.retriever == "bm25":
        return Bm25Index(corpus, spec)
    if tokenizer is None:
        raise RetrievalError(
            f"corpus {corpus.name!r}: retriever {spec.retriever!r} needs the embedding model's tokenizer; "
            "fetch the data set 'minilm_tokenizer' and give its file tokenizer.json"
        )
    embedder = Embedder(tokenizer, threads=threads)
    if spec.retriever == "dense" and not (spec.chunk or spec.feedback or spec.aspects):
        return DenseIndex(corpus, spec, embedder, vectors)
    return HybridIndex(corpus, spec, embedder, vectors, ranker)


def _read(spec: IndexSpec) -> tuple[int, int, int]:
    """What decides a document's vectors."""
    return spec.tokens, spec.chunk, spec.overlap
