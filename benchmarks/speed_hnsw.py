"""A graph index of the same vectors, in a process of its own: faiss is nothing that the project needs.

    python benchmarks/speed_hnsw.py ROWS.npy QUERIES.npy TRUTH.npy COUNT

Prints a JSON object. It imports only numpy and faiss, so that any interpreter that has them can run it.
"""

import json
import sys
import time

import faiss
import numpy as np

LINKS, WIDTH_BUILT, WIDTH_ASKED = 16, 100, 256


def main(rows: str, queries: str, truth: str, count: str) -> None:
    """Build on one thread, then ask every query."""
    faiss.omp_set_num_threads(1)
    points = np.ascontiguousarray(np.load(rows, mmap_mode="r")[: int(count)])
    index = faiss.IndexHNSWFlat(points.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = WIDTH_BUILT
    began = time.process_time()
    index.add(points)
    built = time.process_time() - began
    index.hnsw.efSearch = WIDTH_ASKED
    expected, asked = np.load(truth), np.load(queries)
    began = time.process_time()
    found = [index.search(query[np.newaxis], expected.shape[1])[1][0] for query in asked]
    used = (time.process_time() - began) / len(asked) * 1e3
    met = np.mean([len(set(one) & set(other)) / len(other) for one, other in zip(found, expected, strict=True)])
    print(json.dumps({"build_cpu_seconds": built, "recall": float(met), "cpu_milliseconds": used}))


if __name__ == "__main__":
    main(*sys.argv[1:])
