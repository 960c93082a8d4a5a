"""A whole hybrid query at a million chunks: embedded, searched by words and by meaning, and fused.

    python -m benchmarks.speed_hybrid FOLDER COUNT

prints a JSON object; a process of its own, so that its memory is that of the indexes and the model and nothing else.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, memory_kib
from benchmarks.speed_texts import claims, embedder, sentences, spliced
from benchmarks.speed_times import Times, take_times
from workbench.retrieval import Embedder, analyze, reciprocal_rank_fusion
from workbench.retrieval.bm25 import Postings
from workbench.retrieval.flat import Flat

DEPTH = 100
MOST_MILLISECONDS, MOST_GIGABYTES = 15.0, 3.0
_QUERIES = 200


def hybrid_lines(folder: Path, count: int) -> list[Figure]:
    """With the flat index that `folder` holds, and as many texts of three sentences."""
    command = [sys.executable, "-m", "benchmarks.speed_hybrid", str(folder), str(count)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    found = json.loads(done.stdout)
    times, gigabytes = Times(**found["times"]), found["gigabytes"]
    name = f"hybrid query, {count:,} chunks, embedding included: "
    return [
        Figure(name + "p95 ms on the clock", times.p95, f"below {MOST_MILLISECONDS:g}", times.p95 < MOST_MILLISECONDS),
        Figure("  p50 ms on the clock", times.p50),
        Figure("  p95 ms on the clock, first pass", times.first_p95),
        Figure("  CPU ms a query: median", times.cpu),
        Figure("  CPU ms a query: p95", times.cpu_p95),
        Figure("  GB of memory while it answers", gigabytes, f"below {MOST_GIGABYTES:g}", gigabytes < MOST_GIGABYTES),
        Figure("  of which GB of postings", found["postings"]),
    ]


class Engine:
    """Words and meanings of the same chunks."""

    def __init__(self, folder: Path, count: int, model: Embedder) -> None:
        known = [analyze(sentence) for sentence in sentences()]
        texts = [sum((known[place] for place in places), ()) for places in spliced(count, 3)]
        self.postings = Postings(texts, k1=1.2, b=0.75)
        self.flat = Flat.open(folder / "flat")
        self._model = model
        self._places = np.arange(count)
        self._ids = [f"c{place}" for place in range(count)]

    def search(self, query: str) -> list[tuple[str, float]]:
        """The best ten and their fused scores."""
        words = self.postings.best(self.postings.score(analyze(query)), self._places, DEPTH)
        meanings, _ = self.flat.search(self._model.embed([query])[0], DEPTH)
        rankings = [[self._ids[place] for place in places.tolist()] for places in (words, meanings)]
        return reciprocal_rank_fusion(rankings, constant=60.0)[:10]


def main(folder: str, count: str) -> None:
    """Build, answer, and print what was measured."""
    engine = Engine(Path(folder), int(count), embedder())
    queries = claims()[:_QUERIES]
    for query in queries[-20:]:
        engine.search(query)
    times = take_times(engine.search, queries)
    measured = {
        "times": asdict(times),
        "gigabytes": memory_kib("VmRSS") / 1024**2,
        "postings": engine.postings.bytes / 1024**3,
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
