"""Texts and vectors of any number, made of real ones: sentences are spliced, vectors are mixed."""

import gzip
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.shared_data import shared
from workbench.core import Corpus, Document, digest_json, stream
from workbench.datasets import default_cache, fetch, load_registry
from workbench.retrieval import Embedder, Vectors

ATTRIBUTION = (
    "scifact, Wadden et al. 2020, through BEIR (claims CC BY 4.0, abstracts ODC-By 1.0); wixqa, Cohen et al. 2025 "
    "(MIT); more texts than these are spliced from their sentences, more vectors are mixed from theirs"
)
SENTENCE = re.compile(r"(?<=[.?!])\s+")
_BLOCK = 50_000


@cache
def claims() -> tuple[str, ...]:
    """Real queries: SciFact's claims, in order."""
    return tuple(line["text"] for line in _lines("scifact/queries.jsonl.gz"))


@cache
def abstracts() -> Corpus:
    """SciFact's 5,183 abstracts."""
    documents = (
        Document(doc_id=line["_id"], title=line["title"], text=line["text"])
        for line in _lines("scifact/corpus.jsonl.gz")
    )
    return Corpus(name="scifact", documents=tuple(documents))


@cache
def sentences() -> tuple[str, ...]:
    """All sentences of the abstracts and of the articles of wixqa, in order."""
    texts = [f"{document.title} {document.text}" for document in abstracts().documents]
    articles: dict[str, str] = {}
    for line in shared("wixqa/wixqa_sample.jsonl").read_text(encoding="utf-8").splitlines():
        for context in json.loads(line)["contexts"]:
            articles[context["id"]] = context["text"]
    return tuple(sentence for text in (*texts, *articles.values()) for sentence in SENTENCE.split(text) if sentence)


def spliced(count: int, length: int) -> Iterator[tuple[int, ...]]:
    """For each of `count` texts the places of the `length` sentences, drawn from all, that make it."""
    draw = np.random.default_rng(stream(11, "spliced").randrange(2**32))
    for start in range(0, count, _BLOCK):
        yield from map(tuple, draw.integers(len(sentences()), size=(min(_BLOCK, count - start), length)).tolist())


def spliced_corpus(count: int) -> Corpus:
    """Texts as long as abstracts, of eight sentences each."""
    known = sentences()
    texts = (" ".join(known[place] for place in places) for places in spliced(count, 8))
    return Corpus(
        name="spliced", documents=tuple(Document(doc_id=f"s{place}", text=text) for place, text in enumerate(texts))
    )


def embedder() -> Embedder:
    """The room's embedding model, on one thread."""
    folder = fetch(load_registry().entry("minilm_tokenizer"), cache=default_cache())
    return Embedder(next(folder.rglob("tokenizer.json")), threads=1)


def real_vectors(texts: tuple[str, ...], tokens: int) -> Vectors:
    """The embeddings of texts; kept in the cache, so that they are computed once on a machine."""
    path = default_cache() / "retrieval_speed" / f"{digest_json([*texts, tokens])[:16]}.npy"
    if path.exists():
        kept: Vectors = np.load(path, allow_pickle=False)
        return kept
    rows = embedder().embed(texts, most_tokens=tokens)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, rows, allow_pickle=False)
    return rows


def mixed(base: Vectors, count: int, path: Path) -> Vectors:
    """The base, then random points between two of it, of length 1: a mapped file of float32."""
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, base.shape[1]))
    rows[: len(base)] = base[:count]
    draw = np.random.default_rng(stream(11, "mixed").randrange(2**32))
    for start in range(len(base), count, _BLOCK):
        size = min(_BLOCK, count - start)
        one, other = (base[draw.integers(len(base), size=size)] for _ in range(2))
        share: NDArray[np.float32] = draw.random((size, 1), dtype=np.float32)
        points = share * one + (1 - share) * other
        rows[start : start + size] = points / np.linalg.norm(points, axis=1, keepdims=True)
    rows.flush()
    return rows


def _lines(name: str) -> list[dict[str, str]]:
    with gzip.open(shared(name), "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]
