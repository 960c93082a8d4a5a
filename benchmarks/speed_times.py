"""How long queries take, as the parts of `benchmarks.retrieval_speed` measure it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Query = TypeVar("Query")


@dataclass(frozen=True)
class Times:
    """Milliseconds of a set of queries."""

    p50: float
    p95: float
    """Of the median of each query's passes, on the clock."""
    first_p95: float
    """Of the first pass, on the clock."""
    cpu: float
    """Processor time, the median."""
    cpu_p95: float


def take_times(ask: Callable[[Query], object], queries: Sequence[Query], passes: int = 3) -> Times:
    """Ask every query, all of them once before any is asked again.

    A query's time is the median of its passes: what a neighbour takes now and then is not the query's.
    """
    clock, cpu = np.empty((passes, len(queries))), np.empty((passes, len(queries)))
    for one_pass in range(passes):
        for place, query in enumerate(queries):
            began, used = time.perf_counter(), time.process_time()
            ask(query)
            cpu[one_pass, place] = time.process_time() - used
            clock[one_pass, place] = time.perf_counter() - began
    usual, own = np.median(clock, axis=0) * 1e3, np.median(cpu, axis=0) * 1e3
    return Times(
        p50=float(np.median(usual)),
        p95=float(np.quantile(usual, 0.95)),
        first_p95=float(np.quantile(clock[0] * 1e3, 0.95)),
        cpu=float(np.median(own)),
        cpu_p95=float(np.quantile(own, 0.95)),
    )
