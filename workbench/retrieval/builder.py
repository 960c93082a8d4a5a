"""From a corpus to an index."""

from pathlib import Path

from workbench.core import Corpus, RetrievalError
from workbench.retrieval.bm25 import Bm25Index
from workbench.retrieval.dense import DenseIndex, Embedder
from workbench.retrieval.hybrid import HybridIndex
from workbench.retrieval.index import Index, IndexSpec, Vectors


def build_index(
    corpus: Corpus, spec: IndexSpec, *, tokenizer: Path | None = None, threads: int = 2, like: Index | None = None
) -> Index:
    """Make a corpus searchable as the spec says.

    `tokenizer` is the file tokenizer.json of the data set "minilm_tokenizer"; "bm25" needs none. `threads` is
    how many the embedding model uses; it changes no answer. `like` is another index whose vectors are taken over
    if it reads as much of the same corpus: embedding is what takes time.

    Raises: RetrievalError if the corpus is empty, or the tokenizer or the model is missing or changed.
    """
    same = like is not None and (like.corpus.digest, like.spec.tokens) == (corpus.digest, spec.tokens)
    vectors = like.vectors if like is not None and same else None
    return assemble(corpus, spec, tokenizer=tokenizer, threads=threads, vectors=vectors)


def assemble(
    corpus: Corpus, spec: IndexSpec, *, tokenizer: Path | None, threads: int, vectors: Vectors | None
) -> Index:
    """The index over known vectors, or over new ones if they are None."""
    if not corpus.documents:
        raise RetrievalError(f"corpus {corpus.name!r}: has no documents, so there is nothing to index; add some")
    if spec.retriever == "bm25":
        return Bm25Index(corpus, spec)
    if tokenizer is None:
        raise RetrievalError(
            f"corpus {corpus.name!r}: retriever {spec.retriever!r} needs the embedding model's tokenizer; "
            "fetch the data set 'minilm_tokenizer' and give its file tokenizer.json"
        )
    kind = DenseIndex if spec.retriever == "dense" else HybridIndex
    return kind(corpus, spec, Embedder(tokenizer, threads=threads), vectors)
