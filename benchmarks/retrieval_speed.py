"""How soon an answer is found, and what an index costs: words, vectors, both, and embedding.

    python -m benchmarks.retrieval_speed [--quick] [--only PART] [--peer PYTHON] [--json FILE]

- Words: the same analyzed words on both sides, and the query's words are cut within the time. rank_bm25 is given the
  idf that we use, so that rankings and scores can be equal; its time is that of its scores alone, ours of ten hits.
- Vectors: recall is against comparing every float32 row. One thread. The graph is faiss's HNSW (16 links, width 100
  when built and 256 when asked), built from the same rows on one thread.
- Hybrid: the embedding model, BM25 and the flat index, the first hundred of each fused by rank; every query is
  embedded anew. The index is the one of this benchmark, not a live one.
- Embedding: see `benchmarks.speed_embedding`.
- A query's time is the median of three passes over all queries; the first pass is shown beside it, and processor time,
  which neighbours on the machine disturb less.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import speed_embedding, speed_words
from benchmarks.figures import Figure, conclude
from benchmarks.speed_hybrid import hybrid_lines
from benchmarks.speed_texts import ATTRIBUTION
from benchmarks.speed_vectors import FEWER, MANY, vector_lines
from workbench.core import DataError, WorkbenchError

PARTS = {
    "words": ("words",),
    "vectors": ("vectors",),
    "hybrid": ("vectors", "hybrid"),
    "embedding": ("embedding",),
}


def measure(parts: Sequence[str], quick: bool, peer: Path) -> list[Figure]:
    """The lines of the parts named."""
    with tempfile.TemporaryDirectory(prefix="retrieval-speed-") as folder:
        known: dict[str, Callable[[], list[Figure]]] = {
            "words": lambda: speed_words.lines(quick),
            "vectors": lambda: vector_lines(Path(folder), quick, peer),
            "hybrid": lambda: hybrid_lines(Path(folder), FEWER if quick else MANY),
            "embedding": lambda: _embedding(quick),
        }
        return [line for part in parts for line in known[part]()]


def _embedding(quick: bool) -> list[Figure]:
    """Its part, or a line that says that there was nothing to compare with: the other parts still count."""
    try:
        return speed_embedding.lines(quick)
    except DataError as error:
        print(error, file=sys.stderr)
        return [Figure("embedding: not measured", 0.0, f"at least {speed_embedding.TIMES:g}", False)]


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval_speed", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="50,000 chunks instead of 1,000,000, 20,000 texts")
    parser.add_argument("--only", choices=sorted(PARTS), help="one part; hybrid measures vectors, too")
    parser.add_argument("--peer", type=Path, default=Path(sys.executable), help="an interpreter that has faiss")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parts = PARTS[options.only] if options.only else ("words", "vectors", "hybrid", "embedding")
    try:
        lines = measure(parts, options.quick, options.peer)
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"real texts and mixes of them; {ATTRIBUTION}")
    return conclude(lines, options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
