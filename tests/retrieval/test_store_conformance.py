"""Every store answers as the local index does, guards access inside, and publishes a change as a whole.

Not run here: a Qdrant server (its local mode stands in for it, which has no threads and no payload indexes), and an
object store other than moto's.
"""

import os
import tempfile
import threading
import traceback
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
import pytest
from object_store import serving
from postgres_server import running
from test_cross_encoder import write_model

from workbench.core import EVERYONE, Corpus, Document, Origin, RetrievalError, Scalar, digest_json
from workbench.retrieval.address import Address
from workbench.retrieval.cross_encoder import describe_cross_encoder
from workbench.retrieval.embed import EmbedSpec
from workbench.retrieval.index import Hit, IndexSpec, Vectors
from workbench.retrieval.stores import Store, check_spec, create_store, open_store, stored_spec
from workbench.retrieval.view import ANYONE, Condition, View

WORDS = ("river", "bank", "money", "stone", "water", "bridge", "boat", "loan", "interest", "flood")
GROUPS = ("ants", "bees", "cats")
RANKS_WORDS_ALIKE = ("local", "postgres")
"""The stores whose BM25 is the local one; the others promise the same documents."""
DATABASES = ("postgres", "lance", "s3", "qdrant")
VIEWS = (
    ANYONE,
    View(principals=("ants",)),
    View(principals=("it's", *GROUPS)),
    View(principals=GROUPS, where=(Condition(field="year", at_least=2003, at_most=2006.5),)),
    View(principals=("bees", "nobody"), where=(Condition(field="open", one_of=(True,)),)),
    View(principals=GROUPS, where=(Condition(field="open", one_of=(1,)),)),
    View(
        principals=GROUPS, where=(Condition(field="year", one_of=(2004, "x")), Condition(field="source", one_of=("s",)))
    ),
    View(principals=GROUPS, where=(Condition(field="no such", one_of=("x",)),)),
    View(principals=GROUPS, where=(Condition(field="open", at_least=True),)),
)


class Drawn:
    """An encoder that draws a vector for each text, and notes for which."""

    digest = digest_json("drawn")

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str], *, most_tokens: int) -> Vectors:
        """A row of length 1 for each text."""
        self.embedded += texts
        rows = np.array([np.random.default_rng(list(text.encode())).normal(size=64) for text in texts])
        scaled: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return scaled

    def embed_query(self, query: str) -> Vectors:
        """The row of a query."""
        row: Vectors = self.embed([query], most_tokens=1)[0]
        return row


class Other(Drawn):
    """Another model."""

    digest = digest_json("other")


class Shop:
    """Makes and opens indexes of one kind of store, each in a place of its own."""

    def __init__(self, kind: str, where: Path | Address) -> None:
        self.kind = kind
        self._where = where
        self._open: list[Store] = []

    def make(self, retriever: str = "bm25", **knobs: object) -> tuple[Store, str]:
        """A new index, and its name."""
        name = f"kb-{uuid.uuid4().hex[:8]}"
        spec = IndexSpec.model_validate({"retriever": retriever} | knobs)
        store = create_store(self.place(name), name, spec, encoder=None if retriever == "bm25" else Drawn())
        self._open.append(store)
        return store, name

    def open(self, name: str, encoder: Drawn | None = None) -> Store:
        """An index that was made."""
        store = open_store(self.place(name), name, encoder=encoder)
        self._open.append(store)
        return store

    def place(self, name: str) -> Path | Address:
        """Where an index lies."""
        return self._where / name if isinstance(self._where, Path) else self._where

    def close(self) -> None:
        """Close what is open."""
        for store in self._open:
            store.close()


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of a PostgreSQL."""
    with running() as url:
        yield url


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URL of a bucket."""
    with serving() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "a")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        yield url


@pytest.fixture(params=["local", *DATABASES])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Each kind of store."""
    kind = request.param
    package = {"lance": "lancedb", "s3": "lancedb", "qdrant": "qdrant_client"}.get(kind)
    if package is not None and find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    # Qdrant's local mode waits for the disk after each point.
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        match kind:
            case "postgres":
                where: Path | Address = Address(request.getfixturevalue("database"))
            case "s3":
                where = Address(request.getfixturevalue("bucket"))
            case "local":
                where = Path(folder)
            case _:
                where = Address(f"{kind}://{folder}")
        found = Shop(kind, where)
        yield found
        found.close()


def _draw(number: int, random: Random) -> Document:
    text = " ".join(random.choices(WORDS, k=random.randrange(1, 9)))
    if random.random() < 0.1:
        return Document(doc_id=f"d{number}", text=text)
    metadata: dict[str, Scalar] = {"year": random.randrange(2000, 2010)}
    if random.random() < 0.5:
        metadata["open"] = random.choice((True, False, 1, "1", 1.0))
    readers = sorted(random.sample((*GROUPS, "it's", EVERYONE), random.randrange(3)))
    origin = Origin(source=random.choice("st"), readers=tuple(readers), metadata=metadata)
    return Document(doc_id=f"d{number}", text=text, origin=origin)


def _text(doc_id: str, text: str, *readers: str) -> Document:
    return Document(doc_id=doc_id, text=text, origin=Origin(source="kb", readers=readers))


def _ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.doc_id for hit in hits]


def _ordered(hits: Sequence[Hit]) -> list[str]:
    """Ids best first; what is nearer to each other than six digits tell, by id."""
    groups: list[list[Hit]] = []
    for hit in hits:
        if not groups or groups[-1][-1].score - hit.score > 3e-6:
            groups.append([])
        groups[-1].append(hit)
    return [doc_id for group in groups for doc_id in sorted(hit.doc_id for hit in group)]


@pytest.mark.parametrize("retriever", ["bm25", "dense", "hybrid"])
def test_answers_are_those_of_the_local_index(shop: Shop, tmp_path: Path, retriever: str) -> None:
    """After updates and deletions: the same counts, documents, and where words are ranked alike the same order."""
    random = Random(5)
    store, _ = shop.make(retriever)
    local, _ = Shop("local", tmp_path).make(retriever)
    for _ in range(2):
        put = list({one.doc_id: one for one in (_draw(random.randrange(60), random) for _ in range(40))}.values())
        deleted = [f"d{random.randrange(60)}" for _ in range(4)]
        counts = [one.update(put, deleted=deleted).model_dump(exclude={"generation"}) for one in (store, local)]
        assert counts[1] == counts[0]
    for query in ("river bank", "money money loan", "bridge of stone over water", "unheard"):
        for view in VIEWS:
            found, expected = (one.search(query, 100, view) for one in (store, local))
            assert sorted(_ids(expected)) == sorted(_ids(found))
            if shop.kind in RANKS_WORDS_ALIKE or retriever == "dense":
                assert _ordered(expected) == _ordered(found)
    facts = [one.stats().model_dump(include={"documents", "words", "passages", "stale"}) for one in (store, local)]
    assert facts[1] == facts[0]


def test_parts_say_where_a_score_is_from(shop: Shop) -> None:
    """Both ranks and the cosine are there, for each hit that has them."""
    store, _ = shop.make("hybrid")
    store.update([_text("a", "river bank", EVERYONE), _text("b", "money", EVERYONE)])
    hits = {hit.doc_id: hit.parts for hit in store.search("river", 2)}

    assert {"bm25", "bm25_rank", "dense_similarity", "dense_rank"} == set(hits["a"])
    assert {"dense_similarity", "dense_rank"} == set(hits["b"])


def test_a_narrow_caller_gets_k_hits(shop: Shop) -> None:
    """Who may read three of thousands gets these three, though all others fit better."""
    # The last two take a while for each document here; the question is the same.
    size = {"s3": 500, "qdrant": 300}.get(shop.kind, 10_000)
    store, _ = shop.make("hybrid")
    rare = [_text(f"r{number}", "a river far away from every other", "ant") for number in range(3)]
    store.update([*(_text(f"c{number}", "river", "bees") for number in range(size)), *rare])

    assert {"r0", "r1", "r2"} == set(_ids(store.search("river", 3, View(principals=("ant",)))))
    assert () == store.search("river", 3)


def test_withdrawn_access_is_gone_at_once(shop: Shop) -> None:
    """Whoever searched before and is no reader any more finds nothing, by words or by meaning; the text is kept."""
    store, _ = shop.make("hybrid")
    store.update([_text("a", "river", "ants", "bees")])
    ants = View(principals=("ants",))
    assert ["a"] == _ids(store.search("river", 1, ants))
    done = store.update([_text("a", "river", "bees")])

    assert (1, 0) == (done.changed, done.embedded)
    assert () == store.search("river", 1, ants)
    assert () == store.passages("river", 1, ants)
    assert ["a"] == _ids(store.search("river", 1, View(principals=("bees",))))


def test_deleted_is_gone_at_once(shop: Shop) -> None:
    """From the next question on; of what was deleted and put anew, the new is there."""
    store, _ = shop.make()
    store.update([_text("a", "old river", EVERYONE), _text("b", "river", EVERYONE)])
    assert {"a", "b"} == set(_ids(store.search("river", 5)))
    store.update([_text("a", "new river", EVERYONE)], deleted=["a", "b", "zzz"])

    assert ["a"] == _ids(store.search("river", 5))
    assert () == store.search("old", 5)
    assert 1 == store.stats().documents


def test_a_refresh_says_what_it_did(shop: Shop) -> None:
    """What is new, differs, is the same, was only read anew, or is no more."""
    store, _ = shop.make("dense")
    one, two, three, four = (_text(name, f"{name} river", EVERYONE) for name in "abcd")
    store.refresh(Corpus(name="kb", documents=(one, two, three)))
    assert two.origin is not None
    read = two.model_copy(update={"origin": two.origin.model_copy(update={"read_at": "2026-01-02T00:00:00+00:00"})})
    changed = three.model_copy(update={"text": "another text"})
    done = store.refresh(Corpus(name="kb", documents=(read, changed, four)))

    assert (1, 1, 1, 0, 1, 2) == (
        done.added,
        done.changed,
        done.confirmed,
        done.unchanged,
        done.deleted,
        done.embedded,
    )
    (passage,) = (found for found in store.passages("b river", 3) if found.hit.doc_id == "b")
    assert read == passage.document
    assert 3 == store.refresh(Corpus(name="kb", documents=(read, changed, four))).unchanged


def test_readers_never_see_half(shop: Shop) -> None:
    """While pairs are put, another reader finds both of a pair or none."""
    if shop.kind == "qdrant":
        pytest.skip("Qdrant's local mode is not made for threads, and a server is not here")
    store, name = shop.make()
    store.update([_text("start", "stone", EVERYONE)])
    ends, odd = threading.Event(), list[int]()

    def read() -> None:
        with closing(open_store(shop.place(name), name)) as reader:
            while not ends.is_set():
                found = len(reader.search("pair", 100))
                odd.extend([found] if found % 2 else [])

    reading = threading.Thread(target=read)
    reading.start()
    for number in range(4):
        store.update([_text(f"{number}{side}", "a pair", EVERYONE) for side in "ab"])
    ends.set()
    reading.join()

    assert [] == odd
    assert 8 == len(store.search("pair", 100))


def test_reopened_it_answers_the_same(shop: Shop) -> None:
    """What was written is there for whoever opens it next."""
    store, name = shop.make("hybrid")
    random = Random(3)
    store.update([_draw(number, random) for number in range(12)])
    before = store.search("river bank", 5, VIEWS[2])
    store.close()
    again = shop.open(name, Drawn())

    assert before == again.search("river bank", 5, VIEWS[2])
    assert "hybrid" == again.spec.retriever


def test_another_model_is_refused(shop: Shop) -> None:
    """Vectors of two models can't be compared; without any there is nothing to ask with."""
    store, name = shop.make("dense")
    store.close()
    for encoder in (None, Other()):
        with pytest.raises(RetrievalError, match="needs embedding model"):
            shop.open(name, encoder)


def test_closed_it_refuses(shop: Shop) -> None:
    """Whoever closed it is told so."""
    store, _ = shop.make()
    store.close()
    with pytest.raises(RetrievalError, match="is closed"):
        store.search("river", 1)


def test_it_is_made_once_and_opened_by_name(shop: Shop) -> None:
    """A second of the same name, an unknown one, and knobs that would be ignored are refused."""
    store, name = shop.make()
    store.close()
    assert "bm25" == stored_spec(shop.place(name), name).retriever
    with pytest.raises(RetrievalError, match="is there already"):
        create_store(shop.place(name), name, IndexSpec(retriever="bm25"))
    with pytest.raises(RetrievalError, match="build it first"):
        shop.open("unknown")
    with pytest.raises(RetrievalError, match="'chunk'"):
        create_store(shop.place("cut"), "cut", IndexSpec(retriever="bm25", chunk=100))


def test_a_cross_encoder_orders_the_first(shop: Shop, tmp_path: Path) -> None:
    """By what its graph says, of what the caller may see; heron is 1, river 2, fish 3, all else 0."""
    encoder = describe_cross_encoder(write_model(tmp_path / "m"))
    store, name = shop.make(cross_encoder=encoder)
    texts = {"a": "heron heron heron", "b": "heron fish the river", "c": "heron fish"}
    store.update([*(_text(one, text, EVERYONE) for one, text in texts.items()), _text("d", "heron river river", "x")])

    for one in (store, shop.open(name)) if shop.kind != "qdrant" else (store,):
        assert [("b", 12.0), ("c", 5.0), ("a", 4.0)] == [(hit.doc_id, hit.score) for hit in one.search("heron", 5)]
        assert ["b"] == [passage.document.doc_id for passage in one.passages("heron", 1)]
    assert {"cross_encoder", "first_score", "bm25"} <= store.search("heron", 1)[0].parts.keys()


def test_a_knob_without_effect_is_refused_before_anything_is_reached(shop: Shop) -> None:
    """Each by its name; a folder does more than a database, and nothing is passed over."""
    refused: list[dict[str, object]] = [{"aspects": 4}, {"routes": [{"field": "year"}]}, {"ranker": "0" * 64}]
    if shop.kind != "local":
        refused += [{"expansion": 5}, {"feedback": 3}]
    if shop.kind in ("lance", "s3"):
        refused.append({"k1": 0.9})
    for knobs in refused:
        spec = IndexSpec.model_validate(knobs)
        with pytest.raises(RetrievalError, match=str(next(iter(knobs)))):
            check_spec(shop.place("odd"), "odd", spec)
        with pytest.raises(RetrievalError, match=str(next(iter(knobs)))):
            create_store(shop.place("odd"), "odd", spec, encoder=Drawn())
    with pytest.raises(RetrievalError, match="an index of words has no use for embedding model 'm'"):
        check_spec(
            shop.place("odd"),
            "odd",
            IndexSpec(retriever="bm25", embedding=EmbedSpec(model="m", base_url="https://m.test/v1", dimensions=2)),
        )
    check_spec(shop.place("even"), "even", IndexSpec())


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("postgresql://app:s3cret@127.0.0.1:1/docs", "psycopg"),
        ("http://:s3cret@127.0.0.1:1", "qdrant_client"),
        ("s3://indexes/x?endpoint=http://127.0.0.1:1&region=us-east-1&secret_key=s3cret", "lancedb"),
    ],
)
def test_unreachable_it_says_so_without_its_secret(url: str, package: str) -> None:
    """One line that names the store, what to do, and no password."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    with pytest.raises(RetrievalError, match="see that it runs") as refused:
        open_store(Address(url), "kb")

    assert "s3cret" not in str(refused.value)
    assert "s3cret" not in "".join(traceback.format_exception(refused.value))


def test_a_scheme_that_is_none_is_refused() -> None:
    """The nearest one is named."""
    with pytest.raises(RetrievalError, match='did you mean "postgresql"'):
        open_store(Address("postgressql://host/db"), "kb")
