"""Vectors: how many of the true ten nearest a flat index finds, how soon, and what it costs to build beside a graph."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figure
from benchmarks.speed_texts import SENTENCE, abstracts, claims, mixed, real_vectors
from benchmarks.speed_times import take_times
from workbench.retrieval import Vectors
from workbench.retrieval.flat import Flat, write_flat

HITS = 10
LEAST_RECALL, MOST_MILLISECONDS, LEAST_CHEAPER = 0.99, 6.0, 30.0
MANY, FEWER = 1_000_000, 50_000
_BASE, _LESS_BASE = 4_096, 512
_QUERIES = 200
_BLOCK = 50_000


def vector_lines(folder: Path, quick: bool, peer: Path) -> list[Figure]:
    """Of a million rows, or 50,000; leaves the index in `folder`/flat for the next part.

    `peer` is the interpreter that has faiss. It builds a tenth of the rows, and is charged ten times that: a graph
    costs more for each row the more there are (Malkov and Yashunin 2018), so it is charged too little.
    """
    count = FEWER if quick else MANY
    base = real_vectors(_passages()[: _LESS_BASE if quick else _BASE], 64)
    queries = real_vectors(claims()[:_QUERIES], 64)
    rows = mixed(base, count, folder / "rows.npy")
    (folder / "flat").mkdir()
    began = time.process_time()
    write_flat(folder / "flat", rows)
    built = time.process_time() - began
    index = Flat.open(folder / "flat")
    times = take_times(lambda query: index.search(query, HITS), list(queries))
    expected = _nearest(rows, queries)
    met = [len(set(index.search(query, HITS)[0]) & set(one)) for query, one in zip(queries, expected, strict=True)]
    recall = float(np.mean(met)) / HITS
    name = f"vectors, {count:,} rows: "
    return [
        Figure(name + "recall@10", recall, f"at least {LEAST_RECALL:g}", recall >= LEAST_RECALL),
        Figure(
            "  p95 ms on the clock, one thread",
            times.p95,
            f"below {MOST_MILLISECONDS:g}",
            times.p95 < MOST_MILLISECONDS,
        ),
        Figure("  p50 ms on the clock", times.p50),
        Figure("  p95 ms on the clock, first pass", times.first_p95),
        Figure("  CPU ms a query: median", times.cpu),
        Figure("  CPU ms a query: p95", times.cpu_p95),
        Figure("  CPU s to build", built),
        *_against_a_graph(folder, queries, built / count, quick, peer),
    ]


def _against_a_graph(folder: Path, queries: Vectors, cost: float, quick: bool, peer: Path) -> list[Figure]:
    """What a graph costs; a quick one is too small for its price to say anything, and no target is asked of it."""
    rows = np.load(folder / "rows.npy", mmap_mode="r")
    count, target = len(rows) // 10, "" if quick else f"at least {LEAST_CHEAPER:g}"
    np.save(folder / "queries.npy", queries)
    np.save(folder / "truth.npy", _nearest(rows[:count], queries))
    script = str(Path(__file__).with_name("speed_hnsw.py"))
    files = [str(folder / f"{name}.npy") for name in ("rows", "queries", "truth")]
    done = subprocess.run([str(peer), script, *files, str(count)], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"no graph index to compare with: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return [Figure("  times cheaper to build than HNSW: not measured", 0.0, target, None if quick else False)]
    found = json.loads(done.stdout)
    cheaper = found["build_cpu_seconds"] / count / cost
    return [
        Figure("  times cheaper to build than HNSW", cheaper, target, None if quick else cheaper >= LEAST_CHEAPER),
        Figure(f"  HNSW: CPU s to build {count:,}", found["build_cpu_seconds"]),
        Figure(f"  HNSW: recall@10 among {count:,}", found["recall"]),
        Figure("  HNSW: CPU ms a query", found["cpu_milliseconds"]),
    ]


def _passages() -> tuple[str, ...]:
    """The beginnings of abstracts: title and two sentences, of which 64 tokens are read."""
    documents = abstracts().documents
    return tuple(" ".join((one.title, *SENTENCE.split(one.text)[:2])) for one in documents)


def _nearest(rows: Vectors, queries: Vectors) -> NDArray[np.int64]:
    """The oracle: every float32 row compared with every query."""
    places, cosines = np.zeros((len(queries), 0), dtype=np.int64), np.zeros((len(queries), 0), dtype=np.float32)
    for start in range(0, len(rows), _BLOCK):
        found = queries @ rows[start : start + _BLOCK].T
        best = np.argpartition(-found, HITS, axis=1)[:, :HITS]
        places = np.concatenate([places, best + start], axis=1)
        cosines = np.concatenate([cosines, np.take_along_axis(found, best, axis=1)], axis=1)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :HITS]
    return np.take_along_axis(places, order, axis=1)
