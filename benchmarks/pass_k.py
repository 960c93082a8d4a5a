"""pass^k of tau-bench's published airline runs, beside the figures that were published for them.

    python -m benchmarks.pass_k [--quick] [--json FILE]

Recorded runs: 50 tasks of the airline domain, 4 trials each, by GPT-4o with tool calls. Each pass^k must equal the
published figure in every printed digit. The intervals are ours, by task: the published table has none. pass@k of the
same runs is shown beside, without a reference. The runs are few, so --quick measures the same.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.shared_data import shared
from workbench.core import DataError, Run
from workbench.datasets import Recorded, read_recorded
from workbench.evals import render_table
from workbench.evals.pass_k import PassRate, all_of, measure_pass, one_of

METRIC = "task_success"
PUBLISHED = ("0.420", "0.273", "0.220", "0.200")
"""pass^1 to pass^4 of GPT-4o's tool-calling agent on the airline domain. Source: the README of
github.com/sierra-research/tau-bench, which carries these runs."""


@dataclass(frozen=True)
class Figure:
    """What was measured for one k."""

    k: int
    pass_hat: float | None
    low: float | None
    high: float | None
    pass_at: float | None
    published: str

    @property
    def met(self) -> bool:
        """Whether every published digit is the same."""
        return self.pass_hat is not None and f"{self.pass_hat:.3f}" == self.published


def measure(run: Run) -> tuple[Figure, ...]:
    """A figure for each published one."""
    return tuple(
        _figure(k, measure_pass(run, METRIC, k, all_of), measure_pass(run, METRIC, k, one_of), published)
        for k, published in enumerate(PUBLISHED, start=1)
    )


def _figure(k: int, every: PassRate, some: PassRate, published: str) -> Figure:
    return Figure(k, every.estimate, every.interval.low, every.interval.high, some.estimate, published)


def render(recorded: Recorded, figures: Sequence[Figure]) -> str:
    """The table, under whose runs they are."""
    rows = [
        (
            f"pass^{one.k}",
            _number(one.pass_hat),
            f"{_number(one.low)} to {_number(one.high)}",
            one.published,
            "met" if one.met else "MISSED",
            _number(one.pass_at),
        )
        for one in figures
    ]
    run = recorded.runs[0]
    clusters = len(set(run.clusters.values()))
    head = ("figure", "measured", "95 % interval", "published", "target", "pass@k")
    label = f"{recorded.source}; {recorded.licence}; {recorded.attribution}"
    return f"{run.header.agent}: {len(run.episodes)} episodes, {clusters} tasks; {label}\n{render_table(head, rows)}"


def _number(value: float | None) -> str:
    return "unmeasured" if value is None else f"{value:.3f}"


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every figure is the published one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pass_k", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the same: it takes a second")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    try:
        recorded = read_recorded(shared("tau_bench/gpt-4o-airline.json.gz"), kind="tau-bench")
    except DataError as error:
        print(error, file=sys.stderr)
        return 2
    figures = measure(recorded.runs[0])
    met = all(one.met for one in figures)
    print(render(recorded, figures))
    print(f"target {'met' if met else 'MISSED'}: pass^1 to pass^4 equal to the published figures in every digit")
    if options.json is not None:
        shown = [{**asdict(one), "met": one.met} for one in figures]
        label = {"source": recorded.source, "licence": recorded.licence, "attribution": recorded.attribution}
        options.json.write_text(json.dumps({"met": met, **label, "figures": shown}, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
