"""Stopping early, replayed on recorded pairs of agents: how many runs it saves, and what it does to the error rates.

    python -m benchmarks.sequential [--quick] [--seed SEED] [--json FILE]

Rules of the comparison:

- Recorded runs: AgentDyn (SaFo-Lab, AgentDyn; MIT), pairs of configurations that tried the same cases, under each of
  `task_success` and `injection_resistance`; and tau-bench (Yao et al. 2024; MIT), one agent that tried each task
  four times, so that two of the four are a pair without a difference.
- The unit of sampling is the task with all its cases, which share tools and fail together: AgentDyn's 20 user tasks.
  An evaluation is a sample of tasks, drawn with replacement from those 20 (or tau-bench's 50), in the order drawn. The
  truth is then known: the recorded difference over all cases.
- The fixed design is one test at the end of N tasks: the same interval by cluster at the same alpha. The sequential
  design sees the same tasks in the same order, and may use a few more than N: as many as normal theory asks for to have
  the same power, and a reserve (`match_fixed`). What it uses is counted in runs against the N tasks of the fixed one.
- The same error rates: of pairs without a difference, at most 5 % are blocked (upper 95 % limit; planned are 2.5 %, the
  side of a two-sided alpha of 5 %); of pairs with one, as many are blocked as in the fixed design, within the noise of
  the paired tries (the 95 % interval of the difference in power reaches 0).
- Without a difference: tau-bench's repeats; and AgentDyn's pairs with the names of champion and challenger
  swapped or not for each task by a coin. At the margin: "no worse" by a margin that is exactly the true drop, which at
  most 5 % may pass.
- Worse by little, middling, much: AgentDyn's pairs by size of the recorded difference, the challenger the worse one.
  All pairs: the recorded mix of differences, champion and challenger by a coin; the saving there is the target.
- The design was chosen on the same recordings: how alpha is spent and the skewness with seed 7, the reserve and its
  rounding with seeds 101 and 102. Tried were 1 to 5 %; rounded up, none had both the power at N = 60 and the saving at
  N = 20. The default seed was first used when the design stood: new draws, but of the same tasks and agents.
- As recorded: all pairs, each of the 20 tasks once, in a drawn order, and no task more than the fixed design has. That
  costs some power, since a recording can't be longer than it is; shown, not a target.
"""

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from benchmarks.shared_data import shared
from workbench.core import DataError, Run, integer
from workbench.datasets import read_recorded
from workbench.evals import render_table
from workbench.evals.interval import Floats
from workbench.gates.sequential import Claim, Plan, decide, match_fixed
from workbench.gates.sequential_bounds import Design
from workbench.gates.sequential_interval import spread_interval

SEED = 2026
METRICS = ("task_success", "injection_resistance")
DESIGN = Design()
SAVED, FALSE = 0.40, 0.05
FEWEST_CASES, FEWEST_TASKS = 180, 20
LITTLE, MIDDLING = 0.05, 0.15
"""Up to how large a difference is little, and middling."""
EVERY: Mapping[int, int] = {20: 1, 60: 2, 120: 4}
"""Tasks from a look to the next one, by the tasks of the fixed design; the first look is after 8."""

Cluster = Sequence[float]
Draw = Callable[[np.random.Generator, int], tuple[list[Cluster], float]]
"""So many tasks' differences, and the true difference."""


class Pair(NamedTuple):
    """Two recorded configurations under one metric: the differences of each task."""

    tasks: tuple[tuple[float, ...], ...]
    difference: float
    """Over all cases."""


@dataclass(frozen=True)
class Scenario:
    """A kind of pair, and what is asked of it."""

    name: str
    claim: Claim
    draw: Draw
    kind: str
    """"null", "power", "mix" or "shown": which target holds."""
    at_margin: bool = False
    longer: bool = True
    """The sequential plan may be a little longer than the fixed design."""


@dataclass
class Tally:
    """What came of a scenario's tries."""

    scenario: str
    tasks: int
    longest: int
    fixed: list[bool] = field(default_factory=list)
    """Was the claim shown by the fixed design?"""
    early: list[bool] = field(default_factory=list)
    """Was it shown by the sequential design?"""
    fixed_runs: int = 0
    early_runs: int = 0
    covered: int = 0

    @property
    def saved(self) -> float:
        """The share of the fixed design's runs that the sequential one did without."""
        return 1 - self.early_runs / self.fixed_runs

    @property
    def limits(self) -> tuple[float, float]:
        """Wilson's 95 % limits of the share that the sequential design shows."""
        found = binomtest(sum(self.early), len(self.early)).proportion_ci(method="wilson")
        return float(found.low), float(found.high)

    @property
    def change(self) -> tuple[float, float]:
        """The sequential design's share less the fixed one's, and half of its 95 % interval; paired."""
        differences = np.array(self.early, dtype=np.float64) - np.array(self.fixed, dtype=np.float64)
        return float(differences.mean()), 1.96 * float(differences.std(ddof=1)) / math.sqrt(len(differences))


def read_pairs(runs: Sequence[Run], metric: str) -> list[Pair]:
    """Every two configurations that tried the same cases, if they are complete enough to be compared."""
    groups: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in runs:
        if metric in run.header.metrics:
            groups[tuple(sorted(run.clusters))].append(run)
    pairs = []
    for cases, members in sorted(groups.items()):
        if len(cases) < FEWEST_CASES:
            continue
        scores = [[_score(run.values(metric), case) for case in cases] for run in members]
        tasks = np.array([members[0].clusters[case] for case in cases])
        values = np.array(scores, dtype=np.float64)
        for place, first in enumerate(values):
            pairs += [pair for second in values[place + 1 :] if (pair := _pair(second - first, tasks)) is not None]
    return pairs


def _score(values: Mapping[tuple[str, int], float | None], case: str) -> float:
    value = values.get((case, 0))
    return math.nan if value is None else value


def _pair(differences: Floats, tasks: np.ndarray[tuple[int, ...], np.dtype[np.str_]]) -> Pair | None:
    scored = ~np.isnan(differences)
    rows = [tuple(differences[scored & (tasks == task)].tolist()) for task in np.unique(tasks)]
    kept = tuple(row for row in rows if row)
    if scored.sum() < FEWEST_CASES or len(kept) < FEWEST_TASKS:
        return None
    return Pair(kept, float(differences[scored].mean()))


def read_repeats(run: Run) -> list[Floats]:
    """The scores of each task's repeats."""
    tasks: dict[str, list[float]] = defaultdict(list)
    for (case, _repeat), value in sorted(run.values("task_success").items()):
        if value is not None:
            tasks[run.clusters[case]].append(value)
    return [np.array(values) for values in tasks.values()]


def of_repeats(repeats: Sequence[Floats]) -> Draw:
    """Two different repeats of each task."""

    def draw(stream: np.random.Generator, count: int) -> tuple[list[Cluster], float]:
        chosen = stream.integers(len(repeats), size=count)
        clusters: list[Cluster] = []
        for task in chosen:
            old, new = stream.choice(repeats[task], size=2, replace=False)
            clusters.append([float(new - old)])
        return clusters, 0.0

    return draw


def of_pairs(pairs: Sequence[Pair], *, coin: str) -> Draw:
    """A pair's tasks; the coin turns nothing ("none": the challenger is the worse one), a "pair" or each "task"."""

    def draw(stream: np.random.Generator, count: int) -> tuple[list[Cluster], float]:
        pair = pairs[int(stream.integers(len(pairs)))]
        chosen = stream.integers(len(pair.tasks), size=count)
        if coin == "task":
            turns = 2 * stream.integers(0, 2, size=count) - 1
            rows = [[turn * value for value in pair.tasks[task]] for task, turn in zip(chosen, turns, strict=True)]
            return [[float(value) for value in row] for row in rows], 0.0
        turn = (2.0 * stream.integers(0, 2) - 1) if coin == "pair" else -math.copysign(1.0, pair.difference)
        return [[turn * value for value in pair.tasks[task]] for task in chosen], turn * pair.difference

    return draw


def as_recorded(pairs: Sequence[Pair]) -> Draw:
    """A pair's tasks, each once, in a drawn order."""

    def draw(stream: np.random.Generator, count: int) -> tuple[list[Cluster], float]:
        pair = pairs[int(stream.integers(len(pairs)))]
        turn = 2.0 * stream.integers(0, 2) - 1
        order = stream.permutation(len(pair.tasks))[:count]
        return [[turn * value for value in pair.tasks[task]] for task in order], turn * pair.difference

    return draw


def scenarios(pairs: Sequence[Pair], repeats: Sequence[Floats]) -> list[Scenario]:
    """What is replayed for every size of the fixed design."""
    sizes: dict[str, list[Pair]] = {"little": [], "middling": [], "much": []}
    for pair in pairs:
        size = abs(pair.difference)
        if size > 0:
            sizes["little" if size <= LITTLE else "middling" if size <= MIDDLING else "much"].append(pair)
    differing = [pair for group in sizes.values() for pair in group]
    return [
        Scenario("equal: tau-bench repeats", "worse", of_repeats(repeats), "null"),
        Scenario("equal: AgentDyn swapped", "worse", of_pairs(pairs, coin="task"), "null"),
        Scenario("drop just at the margin", "no_worse", of_pairs(differing, coin="none"), "null", at_margin=True),
        *(Scenario(f"worse: {name}", "worse", of_pairs(group, coin="none"), "power") for name, group in sizes.items()),
        Scenario("all pairs", "worse", of_pairs(pairs, coin="pair"), "mix"),
    ]


def replay(scenario: Scenario, tasks: int, *, tries: int, seed: int) -> Tally:
    """Both designs on the same drawn tasks, again and again."""
    every = EVERY[tasks]
    longest = match_fixed(tasks, DESIGN, every=every) if scenario.longer else tasks
    tally = Tally(scenario.name, tasks, longest)
    stream = np.random.default_rng(integer(seed, scenario.name, str(tasks)))
    for _ in range(tries):
        clusters, truth = scenario.draw(stream, longest)
        margin = -truth if scenario.at_margin else 0.0
        names = tuple(map(str, range(len(clusters))))
        plan = Plan(claim=scenario.claim, margin=margin, clusters=names, every=every, design=DESIGN)
        decision = decide(plan, dict(zip(names, clusters, strict=True)))
        fixed = clusters[:tasks]
        tally.fixed.append(_shown(plan, fixed))
        tally.early.append(decision.state == ("FAIL" if plan.claim == "worse" else "PASS"))
        tally.fixed_runs += sum(map(len, fixed))
        tally.early_runs += decision.cases
        assert decision.low is not None, "all tasks are scored"
        assert decision.high is not None, "all tasks are scored"
        tally.covered += decision.low <= truth <= decision.high
    return tally


def _shown(plan: Plan, clusters: Sequence[Cluster]) -> bool:
    """What one test after all of them says."""
    members = np.repeat(np.arange(len(clusters)), [len(cluster) for cluster in clusters])
    interval = spread_interval(np.concatenate(clusters), members, plan.design.alpha)
    assert interval.low is not None, "there are many clusters"
    assert interval.high is not None, "there are many clusters"
    return interval.high < plan.threshold if plan.claim == "worse" else interval.low > plan.threshold


@dataclass(frozen=True)
class Check:
    """A target, and what was measured."""

    name: str
    measured: str
    target: str
    met: bool


def check(scenario: Scenario, tally: Tally) -> Check | None:
    """The target of a scenario; None where it has none."""
    name = f"{scenario.name}, N = {tally.tasks}"
    if scenario.kind == "null":
        share, high = float(np.mean(tally.early)), tally.limits[1]
        return Check(name, f"{share:.2%} wrong, up to {high:.2%}", f"at most {FALSE:.0%}", high <= FALSE)
    if scenario.kind == "power":
        mean, half = tally.change
        words = f"power {100 * mean:+.1f} points ± {100 * half:.1f}"
        return Check(name, words, "the same within noise", mean + half >= 0)
    if scenario.kind == "mix":
        return Check(name, f"{tally.saved:.1%} fewer runs", f"at least {SAVED:.0%}", tally.saved >= SAVED)
    return None


def row(tally: Tally) -> tuple[str, ...]:
    """A tally as cells."""
    low, high = tally.limits
    mean, half = tally.change
    tries = len(tally.early)
    return (
        tally.scenario,
        f"{tally.tasks}/{tally.longest}",
        f"{np.mean(tally.fixed):.1%}",
        f"{np.mean(tally.early):.1%} [{100 * low:.1f}, {100 * high:.1f}]",
        f"{100 * mean:+.1f} ± {100 * half:.1f}",
        f"{tally.saved:.1%}",
        f"{tally.covered / tries:.1%}",
    )


def main(arguments: Sequence[str]) -> int:
    """Replay, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sequential", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="400 tries instead of 4,000, and N = 60 alone")
    parser.add_argument("--seed", type=int, default=SEED, help="of all draws")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    try:
        agentdyn = read_recorded(shared("agentdyn/shopping_runs.jsonl.zst"), kind="agentdojo")
        tau = read_recorded(shared("tau_bench/gpt-4o-airline.json.gz"), kind="tau-bench")
    except DataError as error:
        print(error, file=sys.stderr)
        return 2
    seed, (tries, sizes) = options.seed, (400, (60,)) if options.quick else (4000, tuple(EVERY))
    pairs = [pair for metric in METRICS for pair in read_pairs(agentdyn.runs, metric)]
    repeats = read_repeats(tau.runs[0])
    todo = [(one, tasks) for tasks in sizes for one in scenarios(pairs, repeats)]
    todo.append((Scenario("as recorded", "worse", as_recorded(pairs), "shown", longer=False), 20))
    tallies = [(one, replay(one, tasks, tries=tries, seed=seed)) for one, tasks in todo]
    checks = [found for one, tally in tallies if (found := check(one, tally)) is not None]
    for data in (agentdyn, tau):
        print(f"recorded runs: {data.attribution} ({data.licence})")
    print(f"{len(pairs)} AgentDyn pairs, {len(repeats)} tau-bench tasks; {tries} tries a line, seed {seed}; {DESIGN}")
    head = ("pairs", "tasks", "fixed", "sequential", "change", "saved", "covered")
    print(render_table(head, [row(tally) for _one, tally in tallies]).rstrip())
    print("tasks: fixed / at most; fixed, sequential: share shown to be worse (or no worse by the margin); change: in")
    print("points; saved: of the fixed design's runs; covered: the truth is in the interval at stopping; at 95 %\n")
    cells = [(one.name, one.measured, one.target, "met" if one.met else "MISSED") for one in checks]
    print(render_table(("target", "measured", "target", ""), cells).rstrip())
    met = all(one.met for one in checks)
    print(f"targets {'met' if met else 'MISSED'}")
    if options.json is not None:
        figures = [dict(zip(head, row(tally), strict=True)) for _one, tally in tallies]
        result = {"met": met, "tries": tries, "seed": seed, "figures": figures, "checks": [asdict(c) for c in checks]}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
