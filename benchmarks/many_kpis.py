"""Twenty KPIs and one verdict: false alarms of the whole gate, its speed, and its numbers against references.

    python -m benchmarks.many_kpis [--quick] [--json FILE]

- The family-wise error is the share of gates with any wrong finding where champion and challenger are the same agent:
  any FAIL of twenty rules "no worse than", and any PASS of twenty rules "better than". The KPIs share their episodes,
  so they are correlated as in life: success, tool errors, tools used and limits kept in tau-bench's runs; success and
  injection resistance of ten AgentDyn configurations whose cases are split alike. Resampled as `benchmarks.resampling`
  says, and judged by the functions that `check` calls; the first ones go through `check`, too.
- Complete configurations are those that were tried on as many cases as most, or without the nine controls. The gate
  refuses to compare runs of different cases, so those are the pairs: every ordered pair of runs of the same cases,
  each through `check` itself with five rules; reading the file is not counted.
- References are scipy where it has the number, otherwise a calculation by hand that is written out here.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from benchmarks.gate_trials import ALPHA, SEED
from benchmarks.resampling import Attempts, Drawing, agentdyn, agentdyn_attempts, as_runs, tau_kpis, tau_run, with_room
from workbench.core import Finding, Run, WorkbenchError, integer
from workbench.datasets import Recorded
from workbench.evals import render_table
from workbench.evals.comparison import Pairs
from workbench.evals.interval import difference_interval, mean_interval, share_interval, standard_error, student
from workbench.evals.significance import mean_tails, share_tails, sign_flip_p
from workbench.gates import Rule, Terms, check, holm
from workbench.gates.evidence import contrast
from workbench.gates.gate import settle

KPIS, ERROR, SECONDS, CLOSE = 20, 0.05, 60.0, 1e-9
TASKS: Mapping[str, tuple[int, ...]] = {"tau-bench": (50, 200), "AgentDyn": (50, 200)}


@dataclass(frozen=True)
class Family:
    """KPIs of one kind of agent, measured on the same attempts."""

    name: str
    kpis: tuple[Attempts, ...]
    drawing: Drawing

    def draw(self, tasks: int, seed: int) -> dict[str, Pairs]:
        """An A/A comparison of every KPI on the same tasks and attempts."""
        return {
            f"{place:02} {kpi.metric}": self.drawing.pairs(tasks, kpi, 0.0, np.random.default_rng(seed))
            for place, kpi in enumerate(self.kpis)
        }


@dataclass
class Row:
    """Gates of one kind."""

    name: str
    tasks: int
    gates: int = 0
    failed: int = 0
    """Gates with any FAIL among "no worse"."""
    better: int = 0
    """Gates with any PASS among "better"."""
    bare: int = 0
    """Gates that would have failed had nothing been corrected."""
    dropped: int = 0
    """Gates that would have failed on any drop."""


@dataclass(frozen=True)
class Figure:
    """One target and what was measured."""

    name: str
    value: float
    target: str
    met: bool


def families(recorded: Recorded) -> tuple[Family, ...]:
    """Twenty KPIs of tau-bench's recording, and of AgentDyn's. Raises: DataError if tau-bench's is not there."""
    resisting = with_room(agentdyn_attempts(recorded, "injection_resistance"), 0.1)[: KPIS // 2]
    names = {one.agent for one in resisting}
    success = [one for one in agentdyn_attempts(recorded, "task_success") if one.agent in names]
    return (
        Family("tau-bench", tau_kpis(tau_run()), Drawing("1 run of each task", 1)),
        Family("AgentDyn", (*success, *resisting), Drawing("4 cases", 4)),
    )


def _rules(names: Sequence[str]) -> tuple[list[Rule], list[Rule]]:
    return (
        [Rule(metric=name, no_worse_than="champion") for name in names],
        [Rule(metric=name, better_than="champion") for name in names],
    )


def _settle(rules: Sequence[Rule], columns: Mapping[str, Pairs]) -> list[Finding]:
    evidence = [contrast(rule, columns[rule.metric], alpha=ALPHA, seed=SEED) for rule in rules]
    return settle(rules, evidence, Terms(alpha=ALPHA))


def count(family: Family, tasks: int, gates: int, checked: int) -> Row:
    """Wrong findings over many gates."""
    row = Row(family.name, tasks)
    for number in range(gates):
        columns = family.draw(tasks, integer(SEED, family.name, str(tasks), str(number)))
        no_worse, better = _rules([*columns])
        found, claimed = _settle(no_worse, columns), _settle(better, columns)
        if number < checked:
            champion, challenger = as_runs(columns)
            verdict = check(no_worse, challenger=challenger, champion=champion, seed=SEED, terms=Terms(alpha=ALPHA))
            assert tuple(found) == verdict.findings, "the gate and its functions disagree"
        row.gates += 1
        row.failed += any(finding.status == "FAIL" for finding in found)
        row.better += any(finding.status == "PASS" for finding in claimed)
        row.bare += any(finding.high is not None and finding.high < 0 for finding in found)
        row.dropped += any(finding.estimate is not None and finding.estimate < 0 for finding in found)
    return row


def gate_all(runs: Sequence[Run]) -> tuple[int, float, dict[str, int]]:
    """Every ordered pair of runs of the same cases through the gate: how many, seconds, and the verdicts."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(sorted(run.clusters)), []).append(run)
    verdicts: dict[str, int] = {}
    started = time.perf_counter()
    for alike in groups.values():
        for champion, challenger in permutations(alike, 2):
            name = champion.header.agent
            rules = [
                Rule(metric="task_success", better_than=name),
                Rule(metric="task_success", no_worse_than=name, margin=0.05),
                Rule(metric="injection_resistance", no_worse_than=name, margin=0.05),
                Rule(metric="injection_resistance", at_least=0.9),
                Rule(metric="task_success", coverage=0.98),
            ]
            status = check(rules, challenger=challenger, champion=champion, seed=SEED).status
            verdicts[status] = verdicts.get(status, 0) + 1
    return sum(verdicts.values()), time.perf_counter() - started, verdicts


def references() -> dict[str, float]:
    """The largest distance of our numbers from a reference, for each kind of number."""
    stream = np.random.default_rng(integer(SEED, "references"))
    graded, single = stream.random(25), np.arange(25)
    right = np.repeat([1.0, 0.0], [37, 13])
    sums = stream.integers(-3, 4, 11).astype(np.float64)
    everything = stats.permutation_test(
        (sums, np.zeros(11)), lambda x, y: float((x - y).sum()), permutation_type="samples", n_resamples=10_000
    )
    sides = [float(stats.ttest_1samp(graded, 0.4, alternative=side).pvalue) for side in ("less", "greater")]
    quantiles = [(0.975, 10), (0.8, 3), (0.995, 561)]
    return {
        "Student's quantile, scipy": _far(
            [student(level, n) for level, n in quantiles], [float(stats.t.ppf(level, n - 1)) for level, n in quantiles]
        ),
        "Student's interval, scipy": _far(
            mean_interval(graded, single, ALPHA),
            stats.t.interval(1 - ALPHA, 24, loc=graded.mean(), scale=stats.sem(graded)),
        ),
        "Student's test, scipy": _far(mean_tails(graded, single, 0.4) or (), sides),
        "sign flips, scipy's permutation test": _far([sign_flip_p(sums, SEED)], [float(everything.pvalue)]),
        "sign test, scipy's binomial test": _far(
            [sign_flip_p(np.repeat([1.0, -1.0], [210, 150]), SEED)], [float(stats.binomtest(210, 360).pvalue)]
        ),
        "Wilson's interval, by hand": _far(share_interval(right, np.arange(50), ALPHA), _wilson(37, 50)),
        "score test, by hand": _far((share_tails(right, np.arange(50), 0.6) or (0.0, 0.0))[1:], [_score(37, 50, 0.6)]),
        "error by cluster, by hand": _far(
            [standard_error(np.array([1.0, 1, 0, 0, 1, 0]), np.array([0, 0, 1, 1, 2, 2]))], [math.sqrt(1 / 12)]
        ),
        "difference's interval, by hand": _far(
            difference_interval(np.repeat([1.0, -1.0, 0.0], [6, 2, 12]), np.arange(20), ALPHA), _tango(6, 2, 20)
        ),
        "Holm's correction, by hand": _far(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]),
    }


def _far(ours: Sequence[float | None], theirs: Sequence[float]) -> float:
    return float(max(abs(math.inf if own is None else own - other) for own, other in zip(ours, theirs, strict=True)))


def _wilson(successes: int, cases: int) -> tuple[float, float]:
    """The roots of (share - p)² = t² p (1 - p) / (cases - 1): Wilson's with the error of a sample and Student's t."""
    share, square = successes / cases, float(stats.t.ppf(1 - ALPHA / 2, cases - 1)) ** 2 / (cases - 1)
    low, high = sorted(np.roots([1 + square, -(2 * share + square), share**2]).real.tolist())
    return low, high


def _score(successes: int, cases: int, threshold: float) -> float:
    """The chance of so large a share or a larger one, at the threshold."""
    error = math.sqrt(threshold * (1 - threshold) / (cases - 1))
    return float(stats.t.sf((successes / cases - threshold) / error, cases - 1))


def _tango(up: int, down: int, cases: int) -> tuple[float, float]:
    """Where the score reaches Student's t, its variance at the likeliest losses by the slope of the likelihood."""
    even, mean, level = cases - up - down, (up - down) / cases, float(stats.t.ppf(1 - ALPHA / 2, cases - 1))

    def score(difference: float) -> float:
        least, most = max(0.0, -difference), (1 - difference) / 2
        loss = brentq(
            lambda x: up / (x + difference) + down / x - 2 * even / (1 - 2 * x - difference),
            least + 1e-13,
            most - 1e-13,
            xtol=1e-15,
        )
        return (mean - difference) / math.sqrt((2 * loss + difference - difference**2) / (cases - 1))

    low = brentq(lambda x: score(x) - level, -0.9, mean, xtol=1e-14)
    return low, brentq(lambda x: score(x) + level, mean, 0.9, xtol=1e-14)


def figures(rows: Sequence[Row], pairs: int, seconds: float, distances: Mapping[str, float]) -> list[Figure]:
    """Every target."""
    found = []
    for row in rows:
        for name, wrong in (("any FAIL", row.failed), ('any "better"', row.better)):
            share = wrong / row.gates
            label = f"{row.name}, {row.tasks} tasks: {name} in {row.gates} A/A gates"
            found.append(Figure(label, share, f"at most {ERROR:.0%}", share <= ERROR))
    found.append(Figure(f"seconds for {pairs} ordered pairs", seconds, f"at most {SECONDS:g}", seconds <= SECONDS))
    found += [Figure(name, distance, f"within {CLOSE:g}", distance <= CLOSE) for name, distance in distances.items()]
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_kpis", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="300 gates a row, not 2,000; twenty configurations")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    try:
        recorded = agentdyn()
        found = families(recorded)
    except WorkbenchError as cause:
        print(cause, file=sys.stderr)
        return 2
    print("recorded runs: tau-bench (Yao et al. 2024, MIT), AgentDyn (SaFo-Lab, MIT); A/A gates resample them\n")
    gates, checked = (300, 2) if options.quick else (2_000, 20)
    rows = [count(family, tasks, gates, checked) for family in found for tasks in TASKS[family.name]]
    cells = [
        (row.name, f"{row.tasks}", *(f"{n / row.gates:.1%}" for n in (row.failed, row.better, row.bare, row.dropped)))
        for row in rows
    ]
    print(render_table((f"A/A, {KPIS} KPIs", "tasks", "FAIL", "better", "uncorrected", "any drop fails"), cells))
    pairs, seconds, verdicts = gate_all(recorded.runs[:20] if options.quick else recorded.runs)
    said = ", ".join(f"{n} {status}" for status, n in sorted(verdicts.items()))
    print(f"\n{pairs} ordered pairs of configurations that tried the same cases: {said}\n")
    shown = figures(rows, pairs, seconds, references())
    cells = [(one.name, f"{one.value:.3g}", one.target, "met" if one.met else "MISSED") for one in shown]
    print(render_table(("figure", "measured", "target", ""), cells))
    met = all(one.met for one in shown)
    if options.json is not None:
        result = {"met": met, "figures": [vars(one) for one in shown], "gates": [vars(row) for row in rows]}
        options.json.write_text(json.dumps(result | {"verdicts": verdicts}, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
