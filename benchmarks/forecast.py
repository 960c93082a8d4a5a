"""Does a search cost what its forecast says? Simulated searches, each forecast before anything is spent.

    python -m benchmarks.forecast [--quick] [--json FILE]

Rules of the comparison:

- A search is one experiment: a catalogue of ten tools, requests, a model, optimizers in order, a budget, all drawn by
  a seed. It runs whole, through the evaluator, call store and meter that every search runs through.
- The model is scripted and knows the answers. How it is as a model is drawn for each search, from other distributions
  than those that the forecast believes in: 2.6 to 5.2 bytes a token, answers 0.5 to 2.5 times as long as the right
  ones, each with a factor of its own, right for 5 to 80 % of the requests and a tenth more for each demo. Half of the
  searches have a hosted model: 0.2 to 4 s a call and 10 to 60 ms for each token that it writes. Half have the
  embedded one on machines 2 times faster to 2.5 times slower than where its pace was measured. All uniform.
- Budgets are ample, or limit calls, tokens or seconds to 40 to 100 % of what the same search takes with an ample one.
- The forecast is made before the first call. Hit: what the search was charged for lies in the 90 % interval. Target:
  in at least 85 % of the searches, for calls, for tokens and for seconds. Wide intervals would make that easy, so
  their width is shown: the upper end over the lower, as its median over the searches with an ample budget.
- The forecast is made again after the start was tried, and in the middle: after the first other trial at which a
  quarter to four fifths of the calls are spent, where there is one. It has to hold then, too.
- What the forecast assumes where nothing is known was set while looking at searches with seeds below 100; these
  begin at 100.
- Reference: what dspy's GEPA says it will take (`auto_budget`, the limit that its light setting sets itself) against
  the metric calls that it made on the same catalogues, which include the training cases that it reads.

Simulation: the figures say nothing of the quality of a model or an optimizer.
"""

import argparse
import contextlib
import json
import logging
import math
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import dspy
from dspy.teleprompt import GEPA

from benchmarks.simulated_search import PROPOSER, RUN, SPACE, Simulation
from workbench.agents import examples
from workbench.core import Budget, Episode, OptimizeError, Spend, stream
from workbench.evals import metric, render_table
from workbench.evals.interval import wilson
from workbench.lms import scope
from workbench.optimize import Cost, Course, Forecast, Kept, Setting, Trial, foresee, update
from workbench.optimize.quiet import quiet

TARGET = 0.85
NORMAL = 1.959964
KINDS = ("calls", "tokens", "seconds")
SEARCHES: Sequence[tuple[str, ...]] = (
    ("random_search",),
    ("tune_retrieval", "random_search"),
    ("nearest_demos", "labeled_few_shot", "random_search"),
    ("labeled_few_shot", "bootstrap_few_shot"),
    ("mipro",),
    ("gepa",),
    ("copro",),
    ("infer_rules",),
    ("simba",),
)
AMPLE = Budget(calls=1_000_000)
FIRST_SEED = 100
MIDDLE = (0.25, 0.8)
Moment = Literal["before", "after the start", "in the middle"]
MOMENTS: tuple[Moment, ...] = ("before", "after the start", "in the middle")


class Size(NamedTuple):
    """How much is measured."""

    seeds: int
    gepa_seeds: int


FULL, QUICK = Size(seeds=15, gepa_seeds=10), Size(seeds=1, gepa_seeds=1)


class Hit(NamedTuple):
    """One forecast of one amount."""

    search: str
    limit: str
    """The kind of limit of its budget, or "ample"."""
    moment: Moment
    kind: str
    low: float
    high: float
    spent: float

    @property
    def hit(self) -> bool:
        """Does it lie in the interval? Rounding is not held against it."""
        return self.low * (1 - 1e-9) <= self.spent <= self.high * (1 + 1e-9)


@dataclass
class Followed:
    """A search with the forecast before it, and one after each trial with the calls that were spent."""

    simulation: Simulation
    before: Forecast
    course: Course
    later: list[tuple[str, int, Forecast]]

    def watch(self, trial: Trial) -> None:
        """Forecast again."""
        spent = self.simulation.meter.spent
        self.course.move(trial.origin, spent)
        self.later.append((trial.origin, spent.calls, update(self.before, self.course.spent, self.course.done)))

    def moments(self) -> dict[Moment, Forecast]:
        """The forecasts that are looked at."""
        low, high = (share * self.simulation.meter.spent.calls for share in MIDDLE)
        found: dict[Moment, Forecast] = {"before": self.before}
        for origin, calls, forecast in self.later:
            if origin == "start":
                found["after the start"] = forecast
            elif low <= calls <= high:
                found.setdefault("in the middle", forecast)
        return found


def follow(names: Sequence[str], seed: int, budget: Budget, folder: Path) -> tuple[Spend, Mapping[Moment, Forecast]]:
    """Forecast a search, and run it; what it was charged for."""
    simulation = Simulation(names, seed, budget, folder)
    setting = Setting(simulation.start, simulation.task, SPACE, PROPOSER)
    index = simulation.index(simulation.start.index)
    before = foresee(setting, names, index=index, budget=budget, kept=Kept(simulation.store, RUN))
    followed = Followed(simulation, before, Course(before.ways), [])
    simulation.task = replace(simulation.task, on_trial=followed.watch)
    with contextlib.suppress(OptimizeError):  # a budget that can't pay for the start is spent all the same
        simulation.run()
    simulation.store.close()
    return simulation.meter.spent, followed.moments()


def limits(seed: int, spent: Spend) -> dict[str, Budget]:
    """A budget of each kind that the search may not get through with."""
    draw = stream(seed, "budget")
    shares = {kind: draw.uniform(0.4, 1.0) for kind in KINDS}
    return {
        "calls": Budget(calls=round(spent.calls * shares["calls"])),
        "tokens": Budget(tokens=round(spent.tokens * shares["tokens"])),
        "seconds": Budget(seconds=spent.seconds * shares["seconds"]),
    }


def measure(size: Size) -> list[Hit]:
    """Every search with every budget."""
    hits: list[Hit] = []
    for seed in range(FIRST_SEED, FIRST_SEED + size.seeds):
        for names in SEARCHES:
            with tempfile.TemporaryDirectory() as folder:
                spent, forecasts = follow(names, seed, AMPLE, Path(folder) / "ample")
                hits += _hits(names, "ample", spent, forecasts)
                for limit, budget in limits(seed, spent).items():
                    hits += _hits(names, limit, *follow(names, seed, budget, Path(folder) / limit))
        print(f"{seed - FIRST_SEED + 1} of {size.seeds} seeds are done", file=sys.stderr)
    return hits


def _hits(names: Sequence[str], limit: str, spent: Spend, forecasts: Mapping[Moment, Forecast]) -> list[Hit]:
    found: list[Hit] = []
    for moment, forecast in forecasts.items():
        cost = forecast.total()
        for kind in KINDS:
            span = _span(cost, kind)
            found.append(Hit(" + ".join(names), limit, moment, kind, *span, getattr(spent, kind)))
    return found


def _span(cost: Cost, kind: str) -> tuple[float, float]:
    span = {"calls": cost.calls, "tokens": cost.tokens, "seconds": cost.seconds}[kind]
    return span.low, span.high


class GepaUse(NamedTuple):
    """GEPA's own forecast, and what it did."""

    estimate: int
    metric_calls: int
    model_calls: int
    """Questions that were paid for, the proposer's too: equal ones are asked once."""


def gepa_use(seed: int, folder: Path) -> GepaUse:
    """GEPA with its light setting on a catalogue of ours."""
    simulation = Simulation(("plain gepa",), seed, AMPLE, folder)
    task, agent = simulation.task, simulation.task.build(simulation.start)
    cases = {case.case_id: case for case in (*task.train, *task.val)}
    right = metric(task.metric)

    def graded(
        example: dspy.Example, prediction: dspy.Prediction, _trace: object, _name: object, _steps: object
    ) -> float:
        case = cases[example.case_id]
        return (
            right(case, Episode(case_id=case.case_id, prediction=prediction.prediction, milliseconds=0.0)).value or 0.0
        )

    optimizer = GEPA(
        metric=graded, auto="light", reflection_lm=task.proposer, num_threads=1, seed=seed, track_stats=True
    )
    with scope(run=RUN), quiet(), agent.speaking(), dspy.context(num_threads=1, disable_history=True):
        compiled = optimizer.compile(agent.module, trainset=examples(task.train), valset=examples(task.val))
    simulation.store.close()
    return GepaUse(
        optimizer.max_metric_calls, compiled.detailed_results.total_metric_calls, simulation.meter.spent.calls
    )


class Figure(NamedTuple):
    """One figure with its target, if it has one."""

    what: str
    value: str
    target: str
    met: bool | None
    share: float


def figures(hits: Sequence[Hit]) -> list[Figure]:
    """How often each amount lay in its interval, at each moment."""
    found = []
    for moment in MOMENTS:
        for kind in KINDS:
            those = [one for one in hits if one.moment == moment and one.kind == kind]
            if not those:
                continue
            share = sum(one.hit for one in those) / len(those)
            bounds = wilson(share, len(those), NORMAL)
            ample = [one for one in those if one.limit == "ample" and one.low > 0]
            width = statistics.median([one.high / one.low for one in ample] or [math.nan])
            value = f"{share:.1%} [{bounds.low:.1%}, {bounds.high:.1%}] of {len(those)}; width x{width:.2f}"
            found.append(Figure(f"{moment}: {kind}", value, f"at least {TARGET:.0%}", share >= TARGET, share))
    return found


def breakdown(hits: Sequence[Hit]) -> str:
    """Before the first call, by search and by limit."""
    first = [one for one in hits if one.moment == "before"]
    rows = []
    for column in ("search", "limit"):
        for name in dict.fromkeys(getattr(one, column) for one in first):
            those = [one for one in first if getattr(one, column) == name]
            shares = ([one.hit for one in those if one.kind == kind] for kind in KINDS)
            rows.append((name, *(f"{sum(share)} of {len(share)}" for share in shares)))
    return render_table(("in the interval before the first call", *KINDS), rows)


def render_gepa(uses: Sequence[GepaUse]) -> str:
    """How far GEPA's estimate was off."""
    off = [use.metric_calls / use.estimate - 1 for use in uses]
    asked = [use.model_calls / use.estimate - 1 for use in uses]
    past = sum(one > 0 for one in off)
    return (
        f"dspy.GEPA(auto='light') against its auto_budget: metric calls {min(off):+.1%} to {max(off):+.1%}, past it in "
        f"{past} of {len(off)} runs;\npaid model calls {min(asked):+.1%} to {max(asked):+.1%}; it gives no interval, "
        "and no tokens, dollars or minutes"
    )


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether the targets are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smaller sample, under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    size = QUICK if options.quick else FULL
    hits = measure(size)
    with tempfile.TemporaryDirectory() as folder:
        uses = [gepa_use(seed, Path(folder) / f"{seed}") for seed in range(size.gepa_seeds)]
    found = figures(hits)
    print(f"{size.seeds} seeds x {len(SEARCHES)} searches x 4 budgets; simulation, scripted models")
    print(render_table(("forecast: final cost in the 90 % interval", "measured", "target"), [one[:3] for one in found]))
    print(f"\n{breakdown(hits)}\n")
    print(render_gepa(uses))
    met = all(one.met for one in found)
    print(f"target {'met' if met else 'MISSED'}: {'; '.join(f'{one.what} {one.share:.1%}' for one in found[:3])}")
    if options.json is not None:
        shown = [one._asdict() for one in found]
        result = {"target": TARGET, "met": met, "figures": shown, "gepa": [use._asdict() for use in uses]}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
