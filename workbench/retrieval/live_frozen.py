"""A generation of a live index that stays as it is: named by its content, copied as files, or taken into memory."""

import os
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

import numpy as np

from workbench.core import Corpus, RetrievalError, digest_json
from workbench.retrieval.builder import assemble
from workbench.retrieval.cross_encoder import KEPT
from workbench.retrieval.embed import Embedding
from workbench.retrieval.index import Index, Vectors
from workbench.retrieval.live import LiveIndex
from workbench.retrieval.live_generation import Generation
from workbench.retrieval.live_manifest import MANIFEST, PROBE, SEGMENTS, STATES, read_manifest

_TRIES = 20


def digest_generation(generation: Generation) -> str:
    """The digest of what a generation answers from: its living documents with the times they were read at.

    The same however the documents came in, and after a `compact`.
    """
    manifest = generation.manifest
    rows = []
    for part in generation.parts:
        living = part.living
        rows.append(np.column_stack([part.segment.digests[living], part.read[living].view(np.uint64)]))
    held = np.concatenate(rows) if rows else np.empty((0, 3), dtype=np.uint64)
    ordered = np.ascontiguousarray(held[np.lexsort(held.T)], dtype="<u8")
    made = {"name": manifest.name, "spec": manifest.spec.digest, "model": manifest.model}
    return digest_json({**made, "documents": sha256(ordered.tobytes()).hexdigest()})


def copy_live(source: Path, target: Path) -> None:
    """Copy the published generation of a live index into a new folder, where nobody writes.

    Files are linked where the disk allows it: a segment never changes. Raises: RetrievalError if there is no index, the
    target is there, or the disk refuses.
    """
    if target.exists():
        raise RetrievalError(f"live index {str(target)!r}: is there already; choose another folder")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as temporary:
            for tried in range(_TRIES):
                copied = Path(temporary) / str(tried)
                if _copy(source, copied):
                    os.rename(copied, target)
                    return
    except OSError as cause:
        raise RetrievalError(f"live index {str(target)!r}: can't be written: {cause}; free space") from cause
    raise RetrievalError(f"live index {str(source)!r}: changes faster than it can be copied; try again later")


def freeze(index: LiveIndex, *, embedding: Embedding | None) -> Index:
    """The published generation as an index in memory, with the vectors that it has: it can be written and shipped.

    `embedding` is the model of its queries; an index of words needs none. Vectors are those of the live index, which
    has half the digits of a float32.

    Raises: RetrievalError if it holds no document.
    """
    generation = index.current()
    corpus, spec = frozen_corpus(generation), generation.manifest.spec
    if spec.retriever == "bm25":
        return assemble(corpus, spec, None, vectors=None, folder=index.folder)
    return assemble(corpus, spec, embedding, vectors=_vectors(generation), folder=index.folder)


def frozen_corpus(generation: Generation) -> Corpus:
    """The living documents of a generation, by id."""
    parts = generation.parts
    held = [one.segment.document(place, int(one.read[place])) for one in parts for place in one.living.tolist()]
    return Corpus(name=generation.manifest.name, documents=tuple(sorted(held, key=lambda document: document.doc_id)))


def _vectors(generation: Generation) -> Vectors:
    """The rows of a generation's living documents, by id."""
    ids: list[str] = []
    rows = []
    for part in generation.parts:
        assert part.segment.vectors is not None
        living = part.living
        ids += [part.segment.ids.name(place) for place in living.tolist()]
        rows.append(np.asarray(part.segment.vectors.rows[living], dtype=np.float32))
    order = sorted(range(len(ids)), key=ids.__getitem__)
    return np.concatenate(rows)[order]


def _copy(source: Path, target: Path) -> bool:
    """Copy what the manifest names; False if a writer removed some of it meanwhile."""
    manifest = read_manifest(source)
    states = {state for entry in manifest.segments for state in (entry.gone, entry.confirmed) if state}
    try:
        for entry in manifest.segments:
            _link_all(source / SEGMENTS / entry.name, target / SEGMENTS / entry.name)
        for state in sorted(states):
            _link(source / STATES / f"{state}.npz", target / STATES / f"{state}.npz")
    except FileNotFoundError:
        shutil.rmtree(target, ignore_errors=True)
        return False
    for part in (SEGMENTS, STATES):
        (target / part).mkdir(parents=True, exist_ok=True)
    for name in (PROBE, *KEPT):
        if (source / name).exists():
            _link(source / name, target / name)
    (target / MANIFEST).write_text(manifest.model_dump_json())
    return True


def _link_all(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            _link(path, target / path.relative_to(source))
    if not target.exists():
        raise FileNotFoundError(source)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)
