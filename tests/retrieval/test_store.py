"""An index on disk is the same index, or an error: never a changed one, never half of one."""

from pathlib import Path

import numpy as np
import pytest

from workbench.core import Corpus, RetrievalError
from workbench.retrieval import Index, IndexSpec, build_index, read_index, write_index


@pytest.fixture
def folder(tmp_path: Path, index: Index) -> Path:
    """The index, written."""
    write_index(tmp_path / "index", index)
    return tmp_path / "index"


def test_what_is_read_answers_like_what_was_written(folder: Path, index: Index) -> None:
    """Corpus, spec, digest, vectors and every hit are the same, and no temporary folder stays."""
    read = read_index(folder)

    assert (index.corpus, index.spec, index.digest) == (read.corpus, read.spec, read.digest)
    for query in ("send money", "weather", "opening hours"):
        assert index.search(query, 5) == read.search(query, 5)
    assert ["index"] == [path.name for path in folder.parent.iterdir()]


def test_an_index_can_be_moved(folder: Path, index: Index, tmp_path: Path) -> None:
    """The folder holds all it needs: it works elsewhere, and can be written on from there."""
    moved = folder.rename(tmp_path / "elsewhere")
    write_index(tmp_path / "copy", read_index(moved))

    assert index.search("send money", 3) == read_index(tmp_path / "copy").search("send money", 3)


def test_the_same_index_gives_the_same_bytes(folder: Path, index: Index, tmp_path: Path) -> None:
    """Writing twice gives equal files, so a package of it is reproducible."""
    write_index(tmp_path / "again", index)

    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    assert [(folder / name).read_bytes() for name in names] == [(tmp_path / "again" / n).read_bytes() for n in names]


def test_every_changed_byte_is_found(folder: Path) -> None:
    """Each file in turn with one byte changed is refused by name."""
    for path in sorted(folder.iterdir()):
        original = path.read_bytes()
        path.write_bytes(original[:-2] + bytes([original[-2] ^ 1]) + original[-1:])
        with pytest.raises(RetrievalError, match=path.name.replace(".", r"\.")):
            read_index(folder)
        path.write_bytes(original)

    assert read_index(folder).digest


def test_every_missing_file_is_found(folder: Path) -> None:
    """Each file in turn taken away is refused by name."""
    for path in sorted(folder.iterdir()):
        original = path.read_bytes()
        path.unlink()
        with pytest.raises(RetrievalError, match=path.name.replace(".", r"\.")):
            read_index(folder)
        path.write_bytes(original)


def test_a_surplus_file_is_refused(folder: Path) -> None:
    """What the manifest does not name has no business in the folder."""
    (folder / "extra.pkl").write_bytes(b"")

    with pytest.raises(RetrievalError, match=r"'extra\.pkl' is not in the manifest"):
        read_index(folder)


def test_writing_again_is_harmless_and_another_index_is_refused(folder: Path, index: Index, corpus: Corpus) -> None:
    """A folder keeps the index it has."""
    write_index(folder, index)
    fewer = build_index(Corpus(name="tiny", documents=corpus.documents[:2]), IndexSpec(retriever="bm25"))

    with pytest.raises(RetrievalError, match="is another index"):
        write_index(folder, fewer)
    assert index.digest == read_index(folder).digest


def test_a_disk_that_refuses_leaves_nothing(tmp_path: Path, index: Index) -> None:
    """A parent that is a file is an error for a person."""
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(RetrievalError, match="can't be written"):
        write_index(tmp_path / "file" / "index", index)
    assert ["file"] == [path.name for path in tmp_path.iterdir()]


def test_vectors_are_plain_numbers(tmp_path: Path, corpus: Corpus, tokenizer: Path) -> None:
    """The vectors load with pickle disabled, a float32 row per document."""
    write_index(tmp_path / "index", build_index(corpus, IndexSpec(retriever="dense"), tokenizer=tokenizer))
    vectors = np.load(tmp_path / "index" / "vectors.npy", allow_pickle=False)

    assert (7, 384, "float32") == (*vectors.shape, vectors.dtype.name)
