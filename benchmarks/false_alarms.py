"""How often the gate blocks an agent that did not change, and how often it sees one that did.

    python -m benchmarks.false_alarms [--quick] [--json FILE]

- Recorded runs of real agents, resampled as `benchmarks.resampling` says: 50 tasks of tau-bench, each tried four
  times by one agent; 20 user tasks of AgentDyn under nine injections, by 73 configurations. A configuration that is
  always right or always wrong can't raise an alarm, so only those count that leave room: 10 to 90 % for A/A
  comparisons, 20 % success at least for planted drops, of which a configuration is drawn for each comparison.
- AgentDyn has one run of each case, so an A/A comparison splits: the cases of each user task into halves that are
  compared with each other, or the user tasks into halves whose cases are compared injection by injection.
- A block is FAIL of the rule "no worse than the champion", margin 0, alpha 0.05, from the functions that `check`
  itself calls; the first comparisons of every row go through `check`, too, and must give the same finding.
- A planted drop is seen if the gate says FAIL. The number of tasks allows it where the smallest effect of
  `workbench.evals`, taken with the true error of the difference, is no larger than the drop: what a lead would be told.
- A false pass is PASS of "no worse than the champion, by a margin of 0.05" with a true drop of just 0.05.
- An interval covers if it holds the true difference; that of a rate if it holds the rate of the tasks drawn from. The
  target is for all intervals of a kind; rows that fall outside by themselves are named. With 20 tasks or fewer, few
  differ, and an interval that never covers less than it says then covers more.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np

from benchmarks.gate_trials import POWERS, Pool, Row, checked, cover, measure
from benchmarks.resampling import Attempts, Drawing, agentdyn, agentdyn_attempts, tau_kpis, tau_run, with_room
from workbench.core import WorkbenchError
from workbench.evals import render_table
from workbench.evals.comparison import Pairs
from workbench.gates import Rule

BLOCKED, BLOCKED_LIMIT, COVERED = 0.05, 0.06, (0.93, 0.97)
DROPS = dict(zip((0.05, 0.10), POWERS, strict=True))
"""Planted drops, and how often each has to be seen."""
MARGIN = 0.05
NO_WORSE = Rule(metric="m", no_worse_than="champion")
WITH_MARGIN = Rule(metric="m", no_worse_than="champion", margin=MARGIN)
ONE_RUN, TWO_RUNS = Drawing("1 run of each task", 1), Drawing("2 runs of each task", 2)
ONE_CASE, TWO_CASES, FOUR_CASES = Drawing("1 case", 1), Drawing("2 cases", 2), Drawing("4 cases", 4)
HALVES = Drawing("halves of the user tasks", 0)
TAU_TASKS, AGENTDYN_TASKS, PAIRS = (50, 100, 200, 400, 560), (20, 50, 100, 200, 400, 560), (10, 50, 100, 280)


def recorded_pairs(found: Attempts) -> tuple[int, int, int]:
    """Of the ordered pairs of the recorded trials: any drop, FAIL of the gate, all."""
    pairs = [
        Pairs(found.values[:, old], found.values[:, new], np.arange(len(found.values)))
        for old, new in permutations(range(found.values.shape[1]), 2)
    ]
    drops = sum(pair.difference is not None and pair.difference < 0 for pair in pairs)
    return drops, sum(checked(NO_WORSE, pair).status == "FAIL" for pair in pairs), len(pairs)


@dataclass(frozen=True)
class Size:
    """How much is measured in each row."""

    same: int
    planted: int
    rates: int
    through_gate: int
    few: bool
    """Only the smallest and the largest number of tasks."""

    def of(self, tasks: Sequence[int]) -> Sequence[int]:
        """The numbers of tasks to look at."""
        return (tasks[0], tasks[-1]) if self.few else tasks


FULL = Size(same=5_000, planted=2_000, rates=5_000, through_gate=20, few=False)
QUICK = Size(same=2_500, planted=400, rates=1_500, through_gate=3, few=True)


@dataclass(frozen=True)
class Pools:
    """What is drawn from."""

    tau: Pool
    success: Pool
    resistance: Pool
    successful: Pool
    """Configurations of which a tenth can be taken away."""


def pools() -> Pools:
    """Both recordings. Raises: DataError if they are not there."""
    recorded = agentdyn()
    success = agentdyn_attempts(recorded, "task_success")
    resistance = agentdyn_attempts(recorded, "injection_resistance")
    return Pools(
        tau=Pool("tau-bench success", (tau_kpis(tau_run())[0],)),
        success=Pool("AgentDyn success", with_room(success, 0.1)),
        resistance=Pool("AgentDyn resistance", with_room(resistance, 0.1)),
        successful=Pool("AgentDyn success", with_room(success, 0.2)),
    )


def same(found: Pools, size: Size) -> Iterator[Row]:
    """A/A comparisons."""
    plan = [(found.tau, drawing, tasks) for drawing in (ONE_RUN, TWO_RUNS) for tasks in size.of(TAU_TASKS)]
    for pool in (found.success, found.resistance):
        plan += [(pool, FOUR_CASES, tasks) for tasks in size.of(AGENTDYN_TASKS)]
        plan += [(pool, HALVES, tasks) for tasks in size.of(PAIRS)]
    for pool, drawing, tasks in plan:
        yield measure(pool, drawing, (tasks, 0.0), NO_WORSE, (size.same, size.through_gate))


def planted(found: Pools, size: Size) -> Iterator[Row]:
    """Comparisons with a drop."""
    plan = [(found.tau, drawing, tasks) for drawing in (ONE_RUN, TWO_RUNS) for tasks in size.of(TAU_TASKS)]
    for drawing in (ONE_CASE, TWO_CASES, FOUR_CASES):
        plan += [(found.successful, drawing, tasks) for tasks in size.of(AGENTDYN_TASKS)]
    for pool, drawing, tasks in plan:
        for drop in DROPS:
            yield measure(pool, drawing, (tasks, drop), NO_WORSE, (size.planted, size.through_gate))


def passing(found: Pools, size: Size) -> Iterator[tuple[Row, Row]]:
    """With a margin: rows with a true drop of just the margin, each with its A/A row."""
    plan = [(found.tau, drawing, tasks) for drawing in (ONE_RUN, TWO_RUNS) for tasks in size.of(TAU_TASKS)]
    plan += [(found.successful, FOUR_CASES, tasks) for tasks in size.of(AGENTDYN_TASKS)]
    for pool, drawing, tasks in plan:
        counts = (size.planted, size.through_gate)
        yield (
            measure(pool, drawing, (tasks, MARGIN), WITH_MARGIN, counts),
            measure(pool, drawing, (tasks, 0.0), WITH_MARGIN, counts),
        )


@dataclass(frozen=True)
class Figure:
    """One target and what was measured."""

    name: str
    value: float
    target: str
    met: bool


def figures(alarms: Sequence[Row], drops: Sequence[Row], rates: Sequence[tuple[str, int, float]]) -> list[Figure]:
    """Every target, each over the rows that it speaks of."""
    found = []
    for name in ("tau-bench", "AgentDyn"):
        rows = [row for row in alarms if row.pool.startswith(name)]
        total = Row(name, "", 0, 0.0, sum(row.comparisons for row in rows), sum(row.fails for row in rows))
        target = f"at most {BLOCKED:.0%} of 10,000"
        enough = total.comparisons >= 10_000
        found.append(Figure(f"{name}: blocked", total.blocked, target, total.blocked <= BLOCKED and enough))
        limit = max([total.limit, *(row.limit for row in rows)])
        target = f"at most {BLOCKED_LIMIT:.0%}"
        found.append(Figure(f"{name}: largest upper limit of a row", limit, target, limit <= BLOCKED_LIMIT))
    for drop, power in DROPS.items():
        allowed = [row for row in drops if row.drop == drop and row.smallest[power] <= drop]
        least = min((row.blocked for row in allowed), default=0.0)
        name = f"{drop * 100:.0f} points: least seen in {len(allowed)} rows that allow it"
        found.append(Figure(name, least, f"at least {power:.0%}", bool(allowed) and least >= power))
    low, high = COVERED
    for name, shares in (
        ("rates", [share for _pool, _tasks, share in rates]),
        ("A/A differences", [row.coverage for row in alarms]),
        ("planted differences", [row.coverage for row in drops]),
    ):
        mean = sum(shares) / len(shares)  # every row has as many comparisons
        words = f"intervals of {name}: covered, mean of {len(shares)} rows"
        found.append(Figure(words, mean, f"{low:.0%} to {high:.0%}", low <= mean <= high))
    return found


def outside(rows: Sequence[Row], rates: Sequence[tuple[str, int, float]]) -> str:
    """The rows whose own coverage is not within the target, so that a mean hides nobody."""
    low, high = COVERED
    named = [(f"{row.pool}, {row.drawing}, {row.tasks} tasks, drop {row.drop:g}", row.coverage) for row in rows]
    named += [(f"{pool}, rate of {tasks} tasks", share) for pool, tasks, share in rates]
    out = [f"  {share:.1%}: {name}" for name, share in named if not low <= share <= high]
    head = f"rows whose intervals cover less than {low:.0%} or more than {high:.0%}: {len(out)} of {len(named)}"
    return "\n".join((head, *out))


def alarm_table(rows: Sequence[Row]) -> str:
    """The A/A comparisons."""
    heads = ("A/A comparisons of", "drawn", "tasks", "compared", "blocked", "limit", "covered", "by check")
    cells = [
        (row.pool, row.drawing, f"{row.tasks}", f"{row.comparisons}", *_shares(row), f"{row.checked}") for row in rows
    ]
    return render_table(heads, cells)


def _shares(row: Row) -> tuple[str, str, str]:
    return f"{row.blocked:.2%}", f"{row.limit:.2%}", f"{row.coverage:.1%}"


def power_table(rows: Sequence[Row]) -> str:
    """The power curve, a line for each number of tasks."""
    heads = ("planted drops in", "drawn", "tasks", *_heads("seen"), *_heads("allowed"))
    cells = []
    for first in (row for row in rows if row.drop == min(DROPS)):
        alike = [row for row in rows if (row.pool, row.drawing, row.tasks) == (first.pool, first.drawing, first.tasks)]
        seen = [f"{row.blocked:.1%}" for row in alike]
        allowed = ["yes" if row.smallest[DROPS[row.drop]] <= row.drop else "no" for row in alike]
        cells.append((first.pool, first.drawing, f"{first.tasks}", *seen, *allowed))
    return render_table(heads, cells)


def _heads(word: str) -> tuple[str, ...]:
    return tuple(f"{word} {drop * 100:.0f}" for drop in DROPS)


def pass_table(rows: Sequence[tuple[Row, Row]]) -> str:
    """What it takes to be released, and how often a drop of just the margin is."""
    heads = (f"margin {MARGIN * 100:.0f} points", "drawn", "tasks", "passes with that drop", "passes with none")
    cells = [
        (bad.pool, bad.drawing, f"{bad.tasks}", *(f"{row.passes / row.comparisons:.1%}" for row in (bad, good)))
        for bad, good in rows
    ]
    return render_table(heads, cells)


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.false_alarms", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer comparisons, the fewest and the most tasks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    try:
        found = pools()
    except WorkbenchError as cause:
        print(cause, file=sys.stderr)
        return 2
    print("resampled recorded runs: tau-bench (Yao et al. 2024, MIT), AgentDyn (SaFo-Lab, MIT)")
    drops, fails, pairs = recorded_pairs(found.tau.agents[0])
    print(f"tau-bench as recorded: any drop blocks {drops} of {pairs} ordered pairs of equal runs, the gate {fails}\n")
    alarms = list(same(found, size))
    print(alarm_table(alarms), end="\n\n")
    planted_rows = list(planted(found, size))
    print(power_table(planted_rows), end="\n\n")
    passed = list(passing(found, size))
    print(pass_table(passed), end="\n\n")
    every = (found.tau, found.success, found.resistance)
    rates = [cover(pool, tasks, size.rates) for pool in every for tasks in size.of((20, 50, 100, 560))]
    print(outside((*alarms, *planted_rows), rates), end="\n\n")
    shown = [Figure("any drop fails: blocked pairs", drops, "5 of 12", (drops, pairs) == (5, 12))]
    shown += figures(alarms, planted_rows, rates)
    most = max(bad.passes / bad.comparisons for bad, _good in passed)
    shown.append(Figure("false passes, most of any row", most, f"at most {BLOCKED:.0%}", most <= BLOCKED))
    cells = [(one.name, f"{one.value:.4g}", one.target, "met" if one.met else "MISSED") for one in shown]
    print(render_table(("figure", "measured", "target", ""), cells))
    met = all(one.met for one in shown)
    if options.json is not None:
        fields = ("pool", "drawing", "tasks", "drop", "blocked", "coverage", "comparisons")
        rows = [{name: getattr(row, name) for name in fields} for row in (*alarms, *planted_rows)]
        result = {"met": met, "figures": [vars(one) for one in shown], "rows": rows, "rates": rates}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
