"""Who may read what: does a live index ever show a document that the caller may not see, or miss one that it should?

    python -m benchmarks.access [--quick] [--json FILE]

- Passages have one to three readers among 200 groups whose sizes differ by two orders, a tenth are open to everyone;
  metadata are a year, one of 997 parts, a flag, a source and a level of trust. Some were deleted, and the readers of
  some were changed, before the questions come.
- A caller is drawn: up to five groups, and up to three conditions of values and limits, some of them that nothing
  meets, or of another type than the field's values. `View.allows`, asked of each document, is the oracle.
- Leak: a hit that the oracle forbids, whatever the ranking. Every question counts.
- Recall@20: of the 20 that are best by brute force among all that the oracle allows, the share that is found. For
  meanings brute force is the cosine in double precision of every allowed vector; a document as near as the last counts
  as that one. For words it is the index's own score without a filter, among those allowed.
- Withdrawn: a document is found, its readers are changed, and the very next question is asked again, by the index that
  made the change and by one that was opened before.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figure, conclude
from benchmarks.passages import GROUPS, LICENCE, DrawnVectors, passages, queries
from workbench.core import EVERYONE, Document, Scalar, WorkbenchError, stream
from workbench.retrieval import Condition, IndexSpec, LiveIndex, View, create_live, update

SEED = 13
DOCUMENTS, QUICK_DOCUMENTS = 20_000, 2_000
VIEWS, QUICK_VIEWS = 10_000, 300
WITHDRAWN, QUICK_WITHDRAWN = 50, 10
K = 20
LEAST_RECALL = 0.99
BANDS = ((0.0, 0.001), (0.001, 0.01), (0.01, 0.1), (0.1, 1.01))
"""Shares of the documents that a view allows."""
EVERY_GROUP = View(principals=tuple(f"g{number:03}" for number in range(GROUPS)))
HARD: tuple[Condition, ...] = (
    Condition(field="nowhere", one_of=("x",)),
    Condition(field="year", one_of=("2010",)),
    Condition(field="open", one_of=(1,)),
    Condition(field="year", at_least="2010"),
    Condition(field="trust", one_of=("reviewed",)),
    Condition(field="year", at_least=2024.5),
)
"""Fields that are not there, and values of another type than the documents'."""


class Asked(NamedTuple):
    """One question by one caller."""

    share: float
    """Of the documents that it may see."""
    leaks: int
    meanings: float | None
    """Recall; None if it may see nothing."""
    words: float | None


class Collection(NamedTuple):
    """What is searched, and what the oracle needs to know."""

    words: LiveIndex
    meanings: LiveIndex
    documents: dict[str, Document]
    ids: NDArray[np.str_]
    vectors: NDArray[np.float64]
    ranked: dict[str, list[str]]
    """For each query that was asked, every document that shares a word with it, best first."""


def collect(folder: Path, count: int) -> Collection:
    """Two indexes, of words and of meanings, with a past."""
    indexes = []
    random = stream(SEED, "past")
    first = list(passages(0, count))
    deleted = [one.doc_id for one in random.sample(first, count // 20)]
    kept = [one for one in first if one.doc_id not in set(deleted)]
    moved = [with_readers(one, (f"g{random.randrange(GROUPS):03}",)) for one in random.sample(kept, count // 20)]
    for kind in ("bm25", "dense"):
        words = kind == "bm25"
        spec = IndexSpec(retriever="bm25" if words else "dense")
        create_live(folder / kind, kind, spec, model="" if words else DrawnVectors.digest)
        index = LiveIndex(folder / kind, encoder=None if words else DrawnVectors())
        update(index, first)
        update(index, moved, deleted=deleted)
        indexes.append(index)
    documents = {one.doc_id: one for one in kept} | {one.doc_id: one for one in moved}
    texts = [one.text for one in documents.values()]
    vectors = DrawnVectors().embed(texts, most_tokens=0).astype(np.float16).astype(np.float64)
    return Collection(indexes[0], indexes[1], documents, np.array(list(documents)), vectors, {})


def with_readers(document: Document, readers: tuple[str, ...]) -> Document:
    """The same document, for others to read."""
    assert document.origin is not None
    return document.model_copy(update={"origin": document.origin.model_copy(update={"readers": readers})})


def draw_view(random: Random) -> View:
    """A caller."""
    groups = {f"g{int(GROUPS ** random.random()):03}" for _ in range(random.randrange(6))}
    conditions = [_draw_condition(random) for _ in range(random.choice((0, 0, 1, 1, 2, 3)))]
    principals = tuple(sorted(groups)) if random.random() < 0.9 else (EVERYONE, "nobody")
    return View(principals=principals, where=tuple(conditions))


def _draw_condition(random: Random) -> Condition:
    year = random.randrange(1999, 2027)
    values: list[Scalar] = [f"part {random.randrange(997)}" for _ in range(random.randrange(1, 40))]
    return random.choice(
        (
            Condition(field="year", at_least=year),
            Condition(field="year", at_least=year, at_most=year + random.randrange(4)),
            Condition(field="year", one_of=(year, year + 3.0)),
            Condition(field="part", one_of=tuple(values)),
            Condition(field="part", at_most=f"part {random.randrange(997)}"),
            Condition(field="open", one_of=(random.random() < 0.5,)),
            Condition(field="source", one_of=(f"source {random.randrange(6)}",)),
            *HARD,
        )
    )


def ask(collection: Collection, query: str, view: View) -> Asked:
    """Ask both indexes, and compare with brute force."""
    allowed = np.array([view.allows(document) for document in collection.documents.values()])
    names = set(collection.ids[allowed].tolist())
    by_meaning = collection.meanings.search(query, K, view)
    by_words = collection.words.search(query, K, view)
    leaks = sum(hit.doc_id not in names for hit in (*by_meaning, *by_words))
    if not names:
        return Asked(0.0, leaks, None, None)
    cosines = np.round(collection.vectors[allowed] @ DrawnVectors().embed_query(query).astype(np.float64), 6)
    wanted = min(K, len(cosines))
    least = np.sort(cosines)[-wanted] - 1e-6
    near = dict(zip(collection.ids[allowed].tolist(), cosines.tolist(), strict=True))
    found = sum(near.get(hit.doc_id, -2.0) >= least for hit in by_meaning)
    if query not in collection.ranked:
        everything = collection.words.search(query, len(collection.ids), EVERY_GROUP)
        collection.ranked[query] = [hit.doc_id for hit in everything]
    best = [doc_id for doc_id in collection.ranked[query] if doc_id in names][:K]
    same = len(set(best) & {hit.doc_id for hit in by_words})
    words = same / len(best) if best else float(not by_words)
    return Asked(float(allowed.mean()), leaks, found / wanted, words)


def withdraw(collection: Collection, count: int) -> int:
    """Take readers from documents that are found; how many are found by them even then."""
    random, found = stream(SEED, "withdraw"), 0
    for name in random.sample(sorted(collection.documents), count):
        document = collection.documents[name]
        for index in (collection.words, collection.meanings):
            other = LiveIndex(index.folder, encoder=index.encoder)
            assert name in [hit.doc_id for hit in index.search(document.text, K, EVERY_GROUP)]
            update(index, [with_readers(document, ("somebody else",))])
            for one in (index, other):
                found += name in [hit.doc_id for hit in one.search(document.text, K, EVERY_GROUP)]
                seen = [hit.doc_id for hit in one.search(document.text, K, View(principals=("somebody else",)))]
                assert name in seen, "its new reader finds it"
    return found


def measure(folder: Path, documents: int, views: int, withdrawn: int) -> list[Figure]:
    """Everything that is printed."""
    collection, random = collect(folder, documents), stream(SEED, "views")
    asked = [ask(collection, random.choice(queries()), draw_view(random)) for _ in range(views)]
    leaks = sum(one.leaks for one in asked)
    figures = [
        Figure("callers and filters", len(asked)),
        Figure("  of them may see nothing", sum(one.meanings is None for one in asked)),
        Figure("documents shown that are forbidden", leaks, "0", leaks == 0),
    ]
    for low, high in BANDS:
        inside = [one for one in asked if one.meanings is not None and low <= one.share < high]
        figures.append(Figure(f"views that allow {low:.1%} to {min(high, 1):.1%}", len(inside)))
        recalls = {"meanings": [one.meanings for one in inside], "words": [one.words for one in inside]}
        for kind, values in recalls.items():
            mean = float(np.mean([value for value in values if value is not None])) if values else 1.0
            figures.append(Figure(f"  recall@{K} of {kind}", mean, f"at least {LEAST_RECALL}", mean >= LEAST_RECALL))
    found = withdraw(collection, withdrawn)
    return [*figures, Figure(f"found by a reader who lost it, of {4 * withdrawn}", found, "0", found == 0)]


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.access", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="300 callers over 2,000 passages, under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    try:
        queries()
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    sizes = (QUICK_DOCUMENTS, QUICK_VIEWS, QUICK_WITHDRAWN) if options.quick else (DOCUMENTS, VIEWS, WITHDRAWN)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), *sizes)
    print(f"simulation: {sizes[0]:,} synthetic passages of real words, drawn vectors; {LICENCE}")
    return conclude(figures, options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
