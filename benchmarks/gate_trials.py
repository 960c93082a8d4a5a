"""Comparisons whose truth is known, judged by the gate, and what came of them."""

from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from benchmarks.resampling import Attempts, Drawing, as_runs
from workbench.core import Finding, integer
from workbench.evals.comparison import Pairs
from workbench.evals.interval import share_interval
from workbench.gates import Rule, Terms, check
from workbench.gates.evidence import contrast
from workbench.gates.gate import settle

SEED, ALPHA = 20, 0.05
POWERS = (0.80, 0.95)
"""How often a drop of five points, and one of ten, has to be seen."""


@dataclass(frozen=True)
class Pool:
    """Recorded agents of which one is drawn for each comparison."""

    name: str
    agents: tuple[Attempts, ...]


@dataclass
class Row:
    """Comparisons of one kind."""

    pool: str
    drawing: str
    tasks: int
    drop: float
    comparisons: int = 0
    fails: int = 0
    passes: int = 0
    covered: int = 0
    checked: int = 0
    """Comparisons of which `check` gave the same finding."""
    differences: list[float] = field(default_factory=list)

    @property
    def blocked(self) -> float:
        """Share of FAIL."""
        return self.fails / self.comparisons

    @property
    def limit(self) -> float:
        """The upper 95 % limit of the share of FAIL. Source: Clopper & Pearson 1934."""
        return float(stats.binomtest(self.fails, self.comparisons, alternative="less").proportion_ci(0.95).high)

    @property
    def coverage(self) -> float:
        """Share of the intervals that hold the true difference."""
        return self.covered / self.comparisons

    @property
    def smallest(self) -> dict[float, float]:
        """For each power that is asked for the smallest effect, by the true error: Bloom 1995, as in the house."""
        error = float(np.std(self.differences, ddof=1))
        levels = {power: stats.t.ppf(1 - ALPHA / 2, self.tasks - 1) for power in POWERS}
        return {power: error * float(level + stats.t.ppf(power, self.tasks - 1)) for power, level in levels.items()}


def find(rule: Rule, pairs: Pairs) -> Finding:
    """What the gate finds for one rule, without making runs of the pairs first."""
    return settle([rule], [contrast(rule, pairs, alpha=ALPHA, seed=SEED)], Terms(alpha=ALPHA))[0]


def checked(rule: Rule, pairs: Pairs) -> Finding:
    """The same through the gate itself."""
    champion, challenger = as_runs({"m": pairs})
    return check([rule], challenger=challenger, champion=champion, seed=SEED, terms=Terms(alpha=ALPHA)).findings[0]


def measure(pool: Pool, drawing: Drawing, row: tuple[int, float], rule: Rule, counts: tuple[int, int]) -> Row:
    """Comparisons of one kind: how many, and how many of them through the gate itself, too."""
    tasks, drop = row
    found = Row(pool.name, drawing.name, tasks, drop)
    stream = np.random.default_rng(integer(SEED, pool.name, drawing.name, str(tasks), str(drop), str(rule.margin)))
    for number in range(counts[0]):
        pairs = drawing.pairs(tasks, pool.agents[stream.integers(len(pool.agents))], drop, stream)
        finding = find(rule, pairs)
        if number < counts[1]:
            assert finding == checked(rule, pairs), "the gate and its functions disagree"
            found.checked += 1
        assert finding.estimate is not None, "every case is scored"
        assert finding.low is not None, "there are clusters enough"
        assert finding.high is not None, "there are clusters enough"
        found.comparisons += 1
        found.fails += finding.status == "FAIL"
        found.passes += finding.status == "PASS"
        found.covered += finding.low <= -drop <= finding.high
        found.differences.append(finding.estimate)
    return found


def cover(pool: Pool, tasks: int, count: int) -> tuple[str, int, float]:
    """How often the interval of a rate, by task, holds the rate of the tasks that were drawn from."""
    stream = np.random.default_rng(integer(SEED, pool.name, "rates", str(tasks)))
    covered = 0
    for _ in range(count):
        found = pool.agents[stream.integers(len(pool.agents))]
        values = found.values[stream.integers(0, len(found.values), tasks)]
        low, high = share_interval(values.ravel(), np.repeat(np.arange(tasks), values.shape[1]), ALPHA)
        assert low is not None, "there are clusters enough"
        assert high is not None, "there are clusters enough"
        covered += low <= found.rate <= high
    return pool.name, tasks, covered / count
