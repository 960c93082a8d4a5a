"""Indexes on disk: a folder of plain files with a manifest, written whole or not at all, never pickled.

    documents.jsonl   the corpus, a document per line, in order
    spec.json         the corpus's name and the index spec
    vectors.npy       float32, a row per document or passage    (not for "bm25")
    tokenizer.json    of the embedding model                    (not for "bm25")
    ranker.json       the learned ranker                        (where the spec names one)
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
from workbench.retrieval.dense import DenseIndex
from workbench.retrieval.embed_graph import DIMENSIONS
from workbench.retrieval.hybrid import HybridIndex
from workbench.retrieval.index import Index, IndexSpec, Vectors
from workbench.retrieval.rerank import Ranker
from workbench.retrieval.routed import RoutedIndex

_MANIFEST = "manifest.json"
_RANKER = "ranker.json"
_PLAIN = {"documents.jsonl", "spec.json"}
_WITH_VECTORS = _PLAIN | {"vectors.npy", "tokenizer.json"}


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


def read_index(folder: Path, *, threads: int = 2) -> Index:
    """Read what `write_index` wrote, checking every byte before it is used.

    Raises: RetrievalError if a file is missing, surplus or changed, or the parts don't make the index named.
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
    index = _assemble(folder, corpus, content.spec, threads=threads)
    if index.digest != manifest.index:
        raise RetrievalError(
            f"index {str(folder)!r}: its parts make index {index.digest[:12]}, its manifest names "
            f"{manifest.index[:12]}; build it again with this version"
        )
    return index


def _write_files(folder: Path, index: Index) -> None:
    write_records(folder / "documents.jsonl", index.corpus.documents)
    write_record(folder / "spec.json", _Content(corpus=index.corpus.name, spec=index.spec))
    index = index.inner if isinstance(index, RoutedIndex) else index
    match index:
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
    np.save(folder / "vectors.npy", dense.vectors, allow_pickle=False)
    shutil.copyfile(dense.embedder.tokenizer, folder / "tokenizer.json")


def _expected(spec: IndexSpec) -> set[str]:
    """The files of an index."""
    if spec.retriever == "bm25":
        return _PLAIN
    return _WITH_VECTORS | ({_RANKER} if spec.ranker and spec.retriever == "hybrid" else set())


def _assemble(folder: Path, corpus: Corpus, spec: IndexSpec, *, threads: int) -> Index:
    if spec.retriever == "bm25":
        return assemble(corpus, spec, tokenizer=None, threads=threads, vectors=None)
    pieces = cut_corpus(corpus, size=spec.chunk, overlap=spec.overlap) if spec.chunk else corpus
    vectors = _read_vectors(folder, len(pieces.documents))
    with boundary(RetrievalError, f"index {str(folder)!r}"):
        ranker = read_record(folder / _RANKER, Ranker) if _RANKER in _expected(spec) else None
    tokenizer = folder / "tokenizer.json"
    return assemble(corpus, spec, tokenizer=tokenizer, threads=threads, vectors=vectors, ranker=ranker)


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


def _read_vectors(folder: Path, documents: int) -> Vectors:
    with boundary(RetrievalError, f"index {str(folder)!r}: file 'vectors.npy'"):
        vectors: Vectors = np.load(folder / "vectors.npy", allow_pickle=False)
    if vectors.shape != (documents, DIMENSIONS) or vectors.dtype != np.float32 or not np.isfinite(vectors).all():
        raise RetrievalError(
            f"index {str(folder)!r}: file 'vectors.npy' is {vectors.dtype} {vectors.shape}, expected finite float32 "
            f"({documents}, {DIMENSIONS}); build it again"
        )
    return vectors
