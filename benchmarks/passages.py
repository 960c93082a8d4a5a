"""Passages for measuring live indexes: made of runs of real words, with readers and metadata drawn at random.

The words are those of SciFact's abstracts (Wadden et al. 2020; CC BY-NC 2.0), read from the shared data: a passage is
two runs of twelve words, so words are as frequent, and stand as close together, as they do in papers. A vector is the
middle of two of a few thousand random directions, and says nothing of the text.
"""

import gzip
import json
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random

import numpy as np

from benchmarks.shared_data import shared
from workbench.core import EVERYONE, Document, Origin, digest_json, integer
from workbench.retrieval import Vectors

LICENCE = "SciFact, Wadden et al. 2020, through BEIR (claims CC BY 4.0, abstracts ODC-By 1.0)"
DIMENSIONS = 384
GROUPS = 200
_RUN = 12
_DIRECTIONS = 4_001


@cache
def abstracts() -> tuple[tuple[str, ...], ...]:
    """The words of each abstract.

    Raises: DataError if the shared data is not there.
    """
    with gzip.open(shared("scifact/corpus.jsonl.gz"), "rt", encoding="utf-8") as lines:
        texts = (tuple(json.loads(line)["text"].split()) for line in lines)
        return tuple(words for words in texts if len(words) > _RUN)


@cache
def queries() -> tuple[str, ...]:
    """The claims that are looked for."""
    with gzip.open(shared("scifact/queries.jsonl.gz"), "rt", encoding="utf-8") as lines:
        return tuple(json.loads(line)["text"] for line in lines)


def passages(first: int, count: int, *, version: int = 0) -> Iterator[Document]:
    """Passages by number, always the same; another version of one has another text, and others may read it."""
    for number in range(first, first + count):
        yield passage(f"p{number * 7_919 % 1_000_003:07}-{number}", Random(number * 101 + version))


def passage(doc_id: str, random: Random) -> Document:
    """A passage with this id."""
    texts = abstracts()
    words: list[str] = []
    for _ in range(2):
        text = texts[int(random.random() * len(texts))]
        start = int(random.random() * (len(text) - _RUN))
        words += text[start : start + _RUN]
    draw = [random.random() for _ in range(6)]
    # Groups differ in size as teams do: the first may read a tenth, the last a thousandth.
    groups = {f"g{int(GROUPS**one):03}" for one in draw[: 1 + int(draw[3] * 3)]}
    readers = [EVERYONE] if draw[4] < 0.1 else sorted(groups)
    metadata = {"year": 2000 + int(draw[5] * 25), "part": f"part {int(draw[5] * 997)}", "open": draw[4] < 0.5}
    origin = Origin(
        source=f"source {int(draw[3] * 5)}",
        read_at="2026-01-01T00:00:00+00:00",
        fresh_hours=24.0 * 365 * (1 + draw[0]),
        trust="reviewed" if draw[1] < 0.3 else "untrusted",
        readers=tuple(readers),
        metadata=metadata,
    )
    return Document(doc_id=doc_id, text=" ".join(words), origin=origin)


class DrawnVectors:
    """An encoder that draws vectors; the same text gets the same vector."""

    digest = digest_json("drawn vectors")

    def embed(self, texts: Sequence[str], *, most_tokens: int) -> Vectors:
        """A row of length 1 for each text."""
        del most_tokens
        first, second = np.divmod(np.array([integer(1, text) % _DIRECTIONS**2 for text in texts]), _DIRECTIONS)
        rows: Vectors = _directions()[first] + _directions()[second]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    def embed_query(self, query: str) -> Vectors:
        """The row of a query."""
        row: Vectors = self.embed([query], most_tokens=0)[0]
        return row


@cache
def _directions() -> Vectors:
    return np.random.default_rng(7).standard_normal((_DIRECTIONS, DIMENSIONS), dtype=np.float32)
