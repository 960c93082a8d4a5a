"""Does our grader of calls say what the leaderboard's own checker says, and how fast?

    python -m benchmarks.argument_grading [--quick] [--json FILE]

- Rows: all 2,351 of the Berkeley Function-Calling Leaderboard v4 whose right calls are known and Python's: simple,
  multiple, parallel and parallel multiple, each as the authors wrote them and as users contributed them. Each row's
  first right values are graded by the checker and by ours, and the verdicts compared.
- Mutants: answers with one seeded change each (value, type, spelling, nesting, arguments, names, number and order of
  calls). The checker's verdict counts, whether or not the change hurts.
- Where the checker itself breaks it has no verdict; ours then has to refuse. These are counted and shown apart.
- A row contradicts itself if the checker refuses the row's own first right values. They are listed.
- Speed is of one thread of one process over all mutants, the median over rounds; a call is one call graded.
"""

import argparse
import json
import statistics
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.bfcl_reference import Checker, Row, fetch_reference, load_checker, read_rows
from benchmarks.mutated_calls import KINDS, Mutant, first_right, mutate
from workbench.core import WorkbenchError, stream
from workbench.evals import render_table
from workbench.evals.calls import grade_calls

ROWS, CALLS_A_SECOND = 2_351, 20_000
SEED = 20260323
ATTRIBUTION = (
    "recorded expectations: Berkeley Function-Calling Leaderboard v4, package bfcl-eval 2026.3.23, Apache-2.0\n"
    "(Patil et al. 2025, The Berkeley Function Calling Leaderboard, ICML); mutants: simulation"
)


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    mutants: int
    """Of each row and kind of change."""
    every: int
    """Mutants are made of every n-th row."""
    rounds: int
    least: int
    """Mutants there must be."""


FULL = Size(mutants=2, every=1, rounds=7, least=20_000)
QUICK = Size(mutants=1, every=4, rounds=3, least=4_000)


@dataclass(frozen=True)
class Contradiction:
    """A row whose own first right values are refused."""

    row_id: str
    reason: str


@dataclass
class Agreement:
    """How often two graders said the same of one kind of answer."""

    kind: str
    answers: int = 0
    calls: int = 0
    right: int = 0
    """Right by the checker."""
    agreed: int = 0
    raised: int = 0
    """The checker broke; ours refused."""
    differing: str = ""
    """The first answer on which they differ."""

    @property
    def share(self) -> str:
        """Of answers on which they agreed."""
        return f"{self.agreed / self.answers:.3%}" if self.answers else "-"

    def add(self, mutant: Mutant, check: Checker) -> bool:
        """Have an answer judged by both; whether the checker holds it for right."""
        opinion = check(mutant.row, mutant.calls)
        ours = grade_calls(mutant.row.expected, mutant.calls)
        self.answers += 1
        self.calls += len(mutant.calls)
        self.right += opinion.valid
        self.agreed += opinion.valid == (not ours)
        self.raised += opinion.raised
        if opinion.valid != (not ours) and not self.differing:
            self.differing = f"{mutant.row.row_id}: the checker says {opinion.reason or 'right'!r}, ours {ours!r}"
        return opinion.valid


@dataclass(frozen=True)
class Result:
    """What was measured."""

    rows: Agreement
    mutants: tuple[Agreement, ...]
    contradictions: tuple[Contradiction, ...]
    speeds: tuple[float, ...]
    """Calls a second, by round."""

    @property
    def speed(self) -> float:
        """The median."""
        return statistics.median(self.speeds)


def measure(rows: Sequence[Row], check: Checker, size: Size) -> Result:
    """Both graders on the rows' own answers and on mutants of them, then ours against the clock."""
    own = Agreement("rows' own first right values")
    refused = [row for row in rows if not own.add(Mutant(row, own.kind, first_right(row)), check)]
    mutants = make_mutants(rows[:: size.every], size.mutants)
    kinds = {kind: Agreement(kind) for kind in KINDS}
    for mutant in mutants:
        kinds[mutant.kind].add(mutant, check)
    return Result(
        rows=own,
        mutants=tuple(kinds.values()),
        contradictions=tuple(Contradiction(row.row_id, check(row, first_right(row)).reason) for row in refused),
        speeds=tuple(_speed(mutants) for _ in range(size.rounds)),
    )


def make_mutants(rows: Sequence[Row], count: int) -> list[Mutant]:
    """`count` mutants of each row and kind of change; number and order change only where there are several calls."""
    made: list[Mutant] = []
    for row in rows:
        rng = stream(SEED, row.row_id)
        kinds = KINDS if len(row.expected) > 1 else KINDS[:-2]
        made.extend(mutate(row, kind, rng) for kind in kinds for _ in range(count))
    return made


def _speed(mutants: Sequence[Mutant]) -> float:
    """Calls a second."""
    started = time.perf_counter()
    for mutant in mutants:
        grade_calls(mutant.row.expected, mutant.calls)
    return sum(len(mutant.calls) for mutant in mutants) / (time.perf_counter() - started)


def render(result: Result) -> str:
    """What was graded, where the two differ, and the rows that contradict themselves."""
    head = ("what was graded", "answers", "calls", "right", "no verdict", "agreement")
    lines = (result.rows, *result.mutants)
    cells = [
        (one.kind, *(f"{n:,}" for n in (one.answers, one.calls, one.right, one.raised)), one.share) for one in lines
    ]
    gold = [textwrap.shorten(f"  {one.row_id}: {one.reason}", 200) for one in result.contradictions]
    return "\n".join(
        (
            render_table(head, cells).rstrip(),
            *(f"DIFFERS {one.kind}: {one.differing}" for one in lines if one.differing),
            f"rows whose own first right values the checker refuses: {len(gold)} of {result.rows.answers:,}",
            *(f"  {line}" for line in gold),
        )
    )


def judge(result: Result, size: Size) -> list[tuple[str, str, str, bool]]:
    """Each target: what, measured, target, met."""
    mutated = sum(one.answers for one in result.mutants)
    agreed = sum(one.agreed for one in result.mutants)
    return [
        ("rows graded", f"{result.rows.answers:,}", f"{ROWS:,}", result.rows.answers == ROWS),
        ("agreement on rows", result.rows.share, "100 %", result.rows.agreed == result.rows.answers),
        ("mutants graded", f"{mutated:,}", f"at least {size.least:,}", mutated >= size.least),
        ("agreement on mutants", f"{agreed / mutated:.3%}", "100 %", agreed == mutated),
        ("calls a second", f"{result.speed:,.0f}", f"at least {CALLS_A_SECOND:,}", result.speed >= CALLS_A_SECOND),
    ]


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.argument_grading", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="mutants of every fourth row")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    try:
        folder = fetch_reference()
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    result = measure(read_rows(folder), load_checker(folder), size)
    targets = judge(result, size)
    print(ATTRIBUTION)
    print(render(result), end="\n\n")
    rows = [(what, measured, target, "met" if met else "MISSED") for what, measured, target, met in targets]
    print(render_table(("target", "measured", "wanted", ""), rows))
    print(f"speed by round: {', '.join(f'{speed:,.0f}' for speed in result.speeds)} calls a second, one thread")
    met = all(met for *_, met in targets)
    if options.json is not None:
        options.json.write_text(json.dumps({"met": met, "speed": result.speed, **asdict(result)}, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
