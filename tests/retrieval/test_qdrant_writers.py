"""Qdrant is written by one process at a time, as far as that can be seen, and its key goes where nobody reads it."""

import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.core import Document, RetrievalError
from workbench.retrieval.address import Address
from workbench.retrieval.index import IndexSpec
from workbench.retrieval.stores import Store, create_store, open_store

pytest.importorskip("qdrant_client", reason="qdrant_client is not installed")

from qdrant_client import QdrantClient

from workbench.retrieval.qdrant_lock import HELD_SECONDS, WriterLock


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where Qdrant's local mode, which waits for the disk after each point, does not wait long."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as found:
        yield Path(found)


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    """An index with one document."""
    made = create_store(Address(f"qdrant://{folder}"), "kb", IndexSpec(retriever="bm25"))
    made.update([Document(doc_id="a", text="river")])
    yield made
    made.close()


def test_one_writes_at_a_time(store: Store) -> None:
    """Who comes meanwhile is told so, and when to come again; afterwards the way is free."""

    def meanwhile() -> Iterator[Document]:
        with pytest.raises(RetrievalError, match=r"being written by another process .* until 20.* if it was killed"):
            store.update([Document(doc_id="b", text="stone")])
        yield Document(doc_id="c", text="boat")

    assert 1 == store.update(meanwhile()).added
    assert 1 == store.update([Document(doc_id="b", text="stone")]).added
    assert (3, 0) == (store.stats().documents, store.stats().tombstones)


def test_a_killed_writer_keeps_others_out_for_a_while(folder: Path, store: Store) -> None:
    """Its lock is left behind; once its time is over, another takes it, and whoever comes back is refused."""
    store.close()
    client, now = QdrantClient(path=str(folder)), [1_000_000.0]
    killed, other = (WriterLock(client, "workbench_kb", "here", clock=lambda: now[0]) for _ in range(2))
    killed.take()
    now[0] += HELD_SECONDS - 1
    with pytest.raises(RetrievalError, match="being written"):
        other.take()
    now[0] += 2
    other.take()
    with pytest.raises(RetrievalError, match="another process began to write meanwhile"):
        killed.hold()
    killed.release()
    other.hold()
    other.release()
    killed.take()
    client.close()


def test_a_writer_that_lost_its_place_publishes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers see what was there before."""
    engine = store._engine  # type: ignore[attr-defined]
    thief = WriterLock(engine._client, "workbench_kb", "here", clock=lambda: 1e11)

    def stolen() -> Iterator[Document]:
        thief.take()
        yield Document(doc_id="late", text="river")

    with pytest.raises(RetrievalError, match="see to it that only one does"):
        store.update(stolen())
    thief.release()

    assert ["a"] == [hit.doc_id for hit in store.search("river", 5)]
    assert 1 == store.update([Document(doc_id="z", text="river")]).added
    assert ["a", "z"] == sorted(hit.doc_id for hit in store.search("river", 5))


@pytest.mark.parametrize("url", ["http://:s3cret@db.test:6333", "http://db.test:6333?api_key=s3cret"])
def test_a_key_is_not_sent_in_the_open(url: str) -> None:
    """Whoever wrote the URL is told so, without the key, before anything is sent."""
    with pytest.raises(RetrievalError, match="would get its key unprotected; use https") as refused:
        open_store(Address(url), "kb")

    assert "s3cret" not in str(refused.value)


def test_on_this_machine_a_key_needs_no_encryption() -> None:
    """It is sent to nobody else; here nobody listens, and nothing warns of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RetrievalError, match="see that it runs"):
            open_store(Address("http://:s3cret@127.0.0.1:1"), "kb")
