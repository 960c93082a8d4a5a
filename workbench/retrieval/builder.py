"""From a corpus to an index."""

from pathlib import Path

from workbench.core import Corpus, RetrievalError
from workbench.retrieval.bm25 import Bm25Index
from workbench.retrieval.cross_encoder import FILES, KEPT, open_cross_encoder
from workbench.retrieval.dense import DenseIndex, Embedder
from workbench.retrieval.embed import Embedding
from workbench.retrieval.embed_probe import watched
from workbench.retrieval.hybrid import HybridIndex
from workbench.retrieval.index import Index, IndexSpec, Vectors
from workbench.retrieval.rerank import Ranker
from workbench.retrieval.reranked import RerankedIndex, innermost
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
    """Make a corpus searchable as the spec says, with words or the embedded model; for another see `build_with`.

    `tokenizer` is the file tokenizer.json of the data set "minilm_tokenizer"; "bm25" needs none. `threads` is
    how many the embedding model uses; it changes no answer. `like` is another index whose vectors and counted words
    are taken over as far as they are the same: embedding is what takes time. `ranker` is the one that the spec names.

    Raises: RetrievalError if the corpus is empty, the tokenizer or the model is missing or changed, or the ranker is
    another than the spec names.
    """
    embedding = None if tokenizer is None or spec.embedding is not None else Embedder(tokenizer, threads=threads)
    return build_with(corpus, spec, embedding, like=like, ranker=ranker)


def build_with(
    corpus: Corpus,
    spec: IndexSpec,
    embedding: Embedding | None,
    *,
    like: Index | None = None,
    ranker: Ranker | None = None,
) -> Index:
    """Make a corpus searchable as the spec says, with an embedding model that is open; "bm25" needs none.

    Raises: as `build_index`; also if the model is another than the spec names.
    """
    same = like is not None and (like.corpus.digest, _read(like.spec)) == (corpus.digest, _read(spec))
    vectors = like.vectors if like is not None and same else None
    built = assemble(corpus, spec, embedding, vectors=vectors, ranker=ranker)
    own, other = innermost(built), None if like is None else innermost(like)
    if isinstance(own, HybridIndex) and isinstance(other, HybridIndex):
        own.take_over(other)
    return built


def assemble(
    corpus: Corpus,
    spec: IndexSpec,
    embedding: Embedding | None,
    *,
    vectors: Vectors | None,
    ranker: Ranker | None = None,
    folder: Path | None = None,
) -> Index:
    """The index over known vectors, or over new ones if they are None; `folder` is that of an index which keeps its
    cross-encoder with it."""
    if not corpus.documents:
        raise RetrievalError(f"corpus {corpus.name!r}: has no documents, so there is nothing to index; add some")
    if spec.routes:
        plain = spec.model_copy(update={"routes": ()})
        return RoutedIndex(assemble(corpus, plain, embedding, vectors=vectors, ranker=ranker, folder=folder), spec)
    if (named := spec.cross_encoder) is not None:
        # Before anything is embedded: what is missing shows at once.
        files = [folder / name for name in KEPT] if folder else [Path(named.folder, name) for name in FILES]
        encoder = open_cross_encoder(*files, named)
        plain = spec.model_copy(update={"cross_encoder": None})
        return RerankedIndex(assemble(corpus, plain, embedding, vectors=vectors, ranker=ranker), spec, encoder)
    if spec.retriever == "bm25":
        return Bm25Index(corpus, spec)
    model = _fitting(corpus, spec, embedding)
    if spec.retriever == "dense" and not (spec.chunk or spec.feedback or spec.aspects):
        return DenseIndex(corpus, spec, model, vectors)
    return HybridIndex(corpus, spec, model, vectors, ranker)


def _fitting(corpus: Corpus, spec: IndexSpec, embedding: Embedding | None) -> Embedding:
    """The model that the spec names; a provider's is watched."""
    where = f"corpus {corpus.name!r}"
    if spec.embedding is None:
        if embedding is None:
            raise RetrievalError(
                f"{where}: retriever {spec.retriever!r} needs the embedding model's tokenizer; "
                "fetch the data set 'minilm_tokenizer' and give its file tokenizer.json"
            )
        return embedding
    if embedding is None:
        raise RetrievalError(
            f"{where}: its index is made with embedding model {spec.embedding.model!r} ({spec.embedding.base_url}); "
            "connect that one, and give it to `build_with`"
        )
    return watched(embedding, spec.embedding, where)


def _read(spec: IndexSpec) -> tuple[int, int, int, str]:
    """What decides a document's vectors."""
    return spec.tokens, spec.chunk, spec.overlap, "" if spec.embedding is None else spec.embedding.identity
