"""Are our ranking metrics those of trec_eval, to the ninth decimal?

    python -m benchmarks.ranking_metrics [--quick] [--json FILE]

The reference is trec_eval itself, through pytrec-eval-terrier. Four sets of rankings:

- SciFact (BEIR's exact test): BM25 of workbench.retrieval over all 5,183 abstracts, every abstract that shares a word
  with the claim, so rankings are thousands deep. Once trec_eval is given the places as scores: the order is ours.
  Once it is given BM25's own scores and breaks their ties in its way, and ours is given the order that makes.
- Ties and gaps, generated: five different scores for hundreds of documents, empty rankings, everything relevant,
  nothing relevant returned, one document.
- Graded and long, generated: grades from -1 to 4, thousands of documents, half of the relevant ones not returned.

trec_eval sorts by score as a 32-bit float, ties by id, descending. Where nothing is relevant it says 0; ours says that
nothing can be measured, so such queries are compared apart: ours must be unscored.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytrec_eval

from benchmarks.shared_data import shared
from workbench.core import Corpus, Document, WorkbenchError, stream
from workbench.evals import ndcg_at, reciprocal_rank, render_table
from workbench.evals.ranking import average_precision, precision_at, uncapped_recall_at
from workbench.retrieval import IndexSpec, build_index

TOLERANCE = 1e-9
CUTS = (1, 5, 10, 100, 1000)
SEED = 7
PUBLISHED = "0.665-0.689"
"""nDCG@10 of BM25 on SciFact. Sources: Thakur et al. 2021 (BEIR); the pyserini and bm25s projects."""
ATTRIBUTION = (
    "recorded judgements: scifact, Wadden et al. 2020, through BEIR, Thakur et al. 2021 (claims CC BY 4.0, abstracts "
    "ODC-By 1.0); the other sets are generated"
)

Formula = Callable[[Sequence[str], Mapping[str, int]], float | None]
Qrels = Mapping[str, Mapping[str, int]]
Scores = Mapping[str, Mapping[str, float]]


def _formulas() -> dict[str, Formula]:
    """Ours by trec_eval's name."""
    formulas: dict[str, Formula] = {"map": average_precision, "recip_rank": reciprocal_rank}
    for k in CUTS:
        formulas[f"ndcg_cut_{k}"] = partial(ndcg_at, k)
        formulas[f"recall_{k}"] = partial(uncapped_recall_at, k)
        formulas[f"P_{k}"] = partial(precision_at, k)
    return formulas


FORMULAS = _formulas()


@dataclass(frozen=True)
class Rankings:
    """What is judged: relevance and scores, by query and document."""

    name: str
    qrels: Qrels
    scores: Scores


@dataclass(frozen=True)
class Agreement:
    """How far apart the two are on one set."""

    name: str
    queries: int
    values: int
    """Numbers compared."""
    unscored: int
    """Queries for which nothing is relevant: ours has no value, trec_eval 0."""
    deepest: int
    """Documents in the longest ranking."""
    largest: float
    """The largest difference."""
    means: dict[str, tuple[float, float]]
    """By measure: ours and trec_eval's over the queries."""


def compare(rankings: Rankings) -> Agreement:
    """Every measure for every query, both ways."""
    wanted = {f"{name}.{','.join(map(str, CUTS))}" for name in ("ndcg_cut", "recall", "P")} | {"map", "recip_rank"}
    judged = {query: dict(grades) for query, grades in rankings.qrels.items()}
    run = {query: dict(rankings.scores[query]) for query in judged}
    theirs = pytrec_eval.RelevanceEvaluator(judged, wanted).evaluate(run)
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in FORMULAS}
    unscored = 0
    for query, grades in judged.items():
        ranked = trec_order(run[query])
        ours = {name: formula(ranked, grades) for name, formula in FORMULAS.items()}
        reference = theirs.get(query, dict.fromkeys(FORMULAS, 0.0))
        if all(value is None for value in ours.values()):
            unscored += 1
            continue
        for name, value in ours.items():
            pairs[name].append((float("inf") if value is None else value, reference[name]))
    return Agreement(
        name=rankings.name,
        queries=len(judged),
        values=sum(map(len, pairs.values())),
        unscored=unscored,
        deepest=max(map(len, run.values())),
        largest=max(abs(one - other) for values in pairs.values() for one, other in values),
        means={name: _means(values) for name, values in pairs.items()},
    )


def trec_order(scores: Mapping[str, float]) -> list[str]:
    """Documents as trec_eval orders them: by score as a 32-bit float, ties by id, both descending.

    >>> trec_order({"a": 1.0, "b": 2.0, "c": 1.0})
    ['b', 'c', 'a']
    """
    return sorted(scores, key=lambda document: (np.float32(scores[document]), document), reverse=True)


def scifact(claims: int | None, depth: int) -> tuple[Rankings, Rankings]:
    """BM25's rankings of the first claims (None is all), by place and by score.

    Raises: DataError if the shared data is not there.
    """
    folder = shared("scifact")
    documents = [
        Document(doc_id=row["_id"], title=row["title"], text=row["text"]) for row in _rows(folder / "corpus.jsonl.gz")
    ]
    index = build_index(Corpus(name="scifact", documents=tuple(documents)), IndexSpec(retriever="bm25"))
    qrels = _qrels(folder / "qrels.tsv.gz", claims)
    asked = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl.gz")}
    hits = {query: index.search(asked[query], depth) for query in qrels}
    places = {query: {hit.doc_id: float(-place) for place, hit in enumerate(found)} for query, found in hits.items()}
    scores = {query: {hit.doc_id: hit.score for hit in found} for query, found in hits.items()}
    return Rankings("scifact, our order", qrels, places), Rankings("scifact, trec_eval's order", qrels, scores)


def ties_and_gaps(queries: int) -> Rankings:
    """Generated: few different scores, and every way to have next to nothing."""
    qrels: dict[str, dict[str, int]] = {}
    scores: dict[str, dict[str, float]] = {}
    for number in range(queries):
        rng = stream(SEED, "ties", str(number))
        pool = [f"d{place:03}" for place in range(rng.randint(2, 300))]
        returned = {"empty": [], "one": pool[:1]}.get(shape := _SHAPES[number % len(_SHAPES)], pool)
        relevant = {
            "all relevant": pool,
            "none returned": [f"x{place}" for place in range(5)],
            "none relevant": [],
        }.get(shape, rng.sample(pool, rng.randint(1, len(pool))))
        qrels[f"q{number}"] = {document: int(document in relevant) for document in {*pool, *relevant}}
        scores[f"q{number}"] = {document: float(rng.randrange(5)) for document in returned}
    return Rankings("ties and gaps", qrels, scores)


_SHAPES = ("ties", "empty", "one", "all relevant", "none returned", "none relevant")


def graded_and_long(queries: int, longest: int) -> Rankings:
    """Generated: grades from -1 to 4, rankings up to `longest`, half of the relevant documents not returned."""
    qrels: dict[str, dict[str, int]] = {}
    scores: dict[str, dict[str, float]] = {}
    for number in range(queries):
        rng = stream(SEED, "graded", str(number))
        pool = [f"d{place:05}" for place in range(rng.randint(longest // 4, longest))]
        judged = rng.sample(pool, rng.randint(2, len(pool) // 2))
        qrels[f"q{number}"] = {document: rng.randint(-1, 4) for document in judged} | {judged[0]: 4}
        lost = set(judged[::2])
        scores[f"q{number}"] = {document: rng.gauss(0, 1) for document in pool if document not in lost}
    return Rankings("graded and long", qrels, scores)


def render(agreements: Sequence[Agreement]) -> str:
    """The differences by set, then the means on SciFact."""
    head = ("rankings", "queries", "unscored", "deepest", "values", "largest difference", "at most")
    cells = [
        (
            one.name,
            f"{one.queries:,}",
            f"{one.unscored:,}",
            f"{one.deepest:,}",
            f"{one.values:,}",
            f"{one.largest:.1e}",
            f"{TOLERANCE:g} {'met' if one.largest <= TOLERANCE else 'MISSED'}",
        )
        for one in agreements
    ]
    means = [(name, f"{ours:.6f}", f"{theirs:.6f}") for name, (ours, theirs) in sorted(agreements[0].means.items())]
    return "\n".join((render_table(head, cells), "", render_table((agreements[0].name, "ours", "trec_eval"), means)))


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every set agrees."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranking_metrics", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="60 claims, 1,000 deep; smaller generated sets")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    try:
        recorded = scifact(60, 1000) if options.quick else scifact(None, 5183)
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    generated = (
        (ties_and_gaps(60), graded_and_long(10, 2000))
        if options.quick
        else (ties_and_gaps(600), graded_and_long(60, 8000))
    )
    agreements = [compare(rankings) for rankings in (*recorded, *generated)]
    print(ATTRIBUTION)
    print(render(agreements))
    print(f"ndcg_cut_10 of BM25 on all 300 claims of scifact as published elsewhere: {PUBLISHED}")
    met = all(one.largest <= TOLERANCE for one in agreements)
    print(f"target {'met' if met else 'MISSED'}: no value differs by more than {TOLERANCE:g}")
    if options.json is not None:
        shown = {"met": met, "tolerance": TOLERANCE, "sets": [asdict(one) for one in agreements]}
        options.json.write_text(json.dumps(shown, indent=1) + "\n")
    return 0 if met else 1


def _means(values: Sequence[tuple[float, float]]) -> tuple[float, float]:
    count = max(1, len(values))
    return sum(ours for ours, _ in values) / count, sum(theirs for _, theirs in values) / count


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _qrels(path: Path, claims: int | None) -> dict[str, dict[str, int]]:
    """Grades by claim and abstract of the first claims."""
    qrels: dict[str, dict[str, int]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file.readlines()[1:]:
            query, document, grade = line.split()
            qrels.setdefault(query, {})[document] = int(grade)
    return dict(list(qrels.items())[:claims])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
