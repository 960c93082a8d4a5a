"""Indexes on disk: a folder of plain files with a manifest, written whole or not at all, never pickled.

    documents.jsonl   the corpus, a document per line, in order
    spec.json         the corpus's name and the index spec
    vectors.npy       float32, a row per document or passage    (not for "bm25")
    tokenizer.json    of the embedded model                     (not for "bm25", nor with a provider's model)
    probe.npy         what a provider's model answered once     (where the spec names one)
    ranker.json       the learned ranker                        (where the spec names one)
    cross_encoder.onnx, cross_encoder.json                      (where the spec names one)
    manifest.json     the index's digest, and the SHA-256 of every other file

The words of a BM25 index are counted again when it is read: that takes less time than checking a copy.
"""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from pydantic import Field

from workbench.core import (
    Corpus,
    DataError,
    Document,
    Record,
    RetrievalError,
    boundary,
    digest_file,
    read_record,
    read_records,
    write_record,
    write_records,
)
from workbench.retrieval.bm25 import Bm25Index
from workbench.retrieval.builder import assemble
from workbench.retrieval.chunking import cut_corpus
from workbench.retrieval.cross_encoder import KEPT
from workbench.retrieval.dense import DenseIndex, Embedder
from workbench.retrieval.embed import Embedding
from workbench.retrieval.embed_graph import DIMENSIONS
from workbench.retrieval.embed_probe import Watched, watched
from workbench.retrieval.hybrid import HybridIndex
from workbench.retrieval.index import Index, IndexSpec, Vectors
from workbench.retrieval.rerank import Ranker
from workbench.retrieval.reranked import RerankedIndex, innermost
from workbench.retrieval.routed import RoutedIndex

_MANIFEST = "manifest.json"
_RANKER = "ranker.json"
_PLAIN = {"documents.jsonl", "spec.json"}
_PROBE, _TOKENIZER, _VECTORS = "probe.npy", "tokenizer.json", "vectors.npy"


class _Content(Record):
    corpus: str
    spec: IndexSpec


class _Manifest(Record):
    index: str = Field(pattern=r"^[0-9a-f]{64}$")
    files: dict[str, str]


def write_index(folder: Path, index: Index) -> None:
    """Write an index as a new folder. If the same index is there already, only check it.

    Raises: RetrievalError if another index stands in the folder, or the disk refuses; nothing is then left behind.
    """
    if folder.exists():
        if read_index(folder).digest != index.digest:
            raise RetrievalError(f"index {str(folder)!r}: is another index; delete it or choose another folder")
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
            written = Path(temporary) / "index"
            written.mkdir()
            _write_files(written, index)
            files = {path.name: digest_file(path) for path in sorted(written.iterdir())}
            write_record(written / _MANIFEST, _Manifest(index=index.digest, files=files))
            os.rename(written, folder)
    except (OSError, DataError) as cause:
        raise RetrievalError(
            f"index {str(folder)!r}: can't be written: {cause}; free space or choose another folder"
        ) from cause


def read_index(folder: Path, *, threads: int = 2, embedding: Embedding | None = None) -> Index:
    """Read what `write_index` wrote, checking every byte before it is used.

    `embedding` is the provider's model, for an index that is made with one.

    Raises: RetrievalError if a file is missing, surplus or changed, the parts don't make the index named, or it is
    made with another embedding model.
    """
    try:
        manifest = read_record(folder / _MANIFEST, _Manifest)
        _verify(folder, manifest)
        content = read_record(folder / "spec.json", _Content)
        documents = tuple(read_records(folder / "documents.jsonl", Document))
    except (DataError, OSError) as cause:
        raise RetrievalError(f"index {str(folder)!r}: can't be read: {cause}; build it again") from cause
    with boundary(RetrievalError, f"index {str(folder)!r}"):
        corpus = Corpus(name=content.corpus, documents=documents)
    expected = _expected(content.spec)
    if set(manifest.files) != expected:
        raise RetrievalError(
            f"index {str(folder)!r}: its manifest names {', '.join(sorted(manifest.files))}, a "
            f"{content.spec.retriever!r} index has {', '.join(sorted(expected))}; build it again"
        )
    model = _open_model(folder, content.spec, embedding, threads=threads)
    index = _assemble(folder, corpus, content.spec, model)
    if index.digest != manifest.index:
        raise RetrievalError(
            f"index {str(folder)!r}: its parts make index {index.digest[:12]}, its manifest names "
            f"{manifest.index[:12]}; build it again with this version"
        )
    return index


def _write_files(folder: Path, index: Index) -> None:
    write_records(folder / "documents.jsonl", index.corpus.documents)
    write_record(folder / "spec.json", _Content(corpus=index.corpus.name, spec=index.spec))
    reranked = index.inner if isinstance(index, RoutedIndex) else index
    if isinstance(reranked, RerankedIndex):
        for path, name in zip(reranked.encoder.files, KEPT, strict=True):
            shutil.copyfile(path, folder / name)
    match index := innermost(index):
        case DenseIndex() as dense:
            pass
        case HybridIndex():
            dense = index.dense
            if index.ranker is not None:
                write_record(folder / _RANKER, index.ranker)
        case Bm25Index():
            return
        case _:
            raise RetrievalError(f"index of {index.corpus.name!r}: kind {type(index).__name__!r} can't be written")
    np.save(folder / _VECTORS, dense.vectors, allow_pickle=False)
    _write_model(folder, index.corpus.name, dense.embedder)


def _write_model(folder: Path, corpus: str, model: Embedding) -> None:
    """What the embedding model is known again by."""
    match model:
        case Embedder() as embedded:
            shutil.copyfile(embedded.tokenizer, folder / _TOKENIZER)
        case Watched() as remote:
            np.save(folder / _PROBE, remote.probe, allow_pickle=False)
        case other:
            raise RetrievalError(f"index of {corpus!r}: model {type(other).__name__!r} can't be written")


def _expected(spec: IndexSpec) -> set[str]:
    """The files of an index."""
    plain = _PLAIN | (set(KEPT) if spec.cross_encoder else set())
    if spec.retriever == "bm25":
        return plain
    model = _TOKENIZER if spec.embedding is None else _PROBE
    return plain | {_VECTORS, model} | ({_RANKER} if spec.ranker and spec.retriever == "hybrid" else set())


def _open_model(folder: Path, spec: IndexSpec, embedding: Embedding | None, *, threads: int) -> Embedding | None:
    """The embedding model that the index is made with; None for an index of words."""
    if spec.retriever == "bm25":
        return None
    if spec.embedding is None:
        return Embedder(folder / _TOKENIZER, threads=threads)
    if embedding is None:
        raise RetrievalError(
            f"index {str(folder)!r}: is made with embedding model {spec.embedding.model!r} "
            f"({spec.embedding.base_url}), and is opened with none; connect that one"
        )
    kept = _read_rows(folder / _PROBE, (spec.embedding.dimensions,))
    return watched(embedding, spec.embedding, f"index {str(folder)!r}", kept)


def _assemble(folder: Path, corpus: Corpus, spec: IndexSpec, model: Embedding | None) -> Index:
    if spec.retriever == "bm25":
        return assemble(corpus, spec, None, vectors=None, folder=folder)
    pieces = cut_corpus(corpus, size=spec.chunk, overlap=spec.overlap) if spec.chunk else corpus
    dimensions = DIMENSIONS if spec.embedding is None else spec.embedding.dimensions
    vectors = _read_rows(folder / _VECTORS, (len(pieces.documents), dimensions))
    with boundary(RetrievalError, f"index {str(folder)!r}"):
        ranker = read_record(folder / _RANKER, Ranker) if _RANKER in _expected(spec) else None
    return assemble(corpus, spec, model, vectors=vectors, ranker=ranker, folder=folder)


def _verify(folder: Path, manifest: _Manifest) -> None:
    present = {path.name for path in folder.iterdir()} - {_MANIFEST}
    if odd := sorted(present ^ set(manifest.files)):
        what = "is missing" if odd[0] in manifest.files else "is not in the manifest"
        raise RetrievalError(f"index {str(folder)!r}: file {odd[0]!r} {what}; build it again")
    for name, expected in sorted(manifest.files.items()):
        if (actual := digest_file(folder / name)) != expected:
            raise RetrievalError(
                f"index {str(folder)!r}: file {name!r} has SHA-256 {actual}, the manifest says {expected}; "
                "build it again"
            )


def _read_rows(path: Path, shape: tuple[int, ...]) -> Vectors:
    with boundary(RetrievalError, f"index {str(path.parent)!r}: file {path.name!r}"):
        rows: Vectors = np.load(path, allow_pickle=False)
    if rows.shape != shape or rows.dtype != np.float32 or not np.isfinite(rows).all():
        raise RetrievalError(
            f"index {str(path.parent)!r}: file {path.name!r} is {rows.dtype} {rows.shape}, expected finite float32 "
            f"{shape}; build it again"
        )
    return rows
