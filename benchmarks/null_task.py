"""Who promotes noise: our search and gate, against plain `dspy.GEPA` and `dspy.MIPROv2`, where nothing is to be gained.

    python -m benchmarks.null_task [--quick] [--json FILE]

Rules of the comparison:

- Simulation (`benchmarks.simulated_task`): one program, one prompt layout, one model that answers by rule. Binary
  scores, 60 training, 100 validation and 300 test cases, drawn anew for each run; a run is a seed. Where nothing helps,
  every prompt truly solves 70 % of all cases.
- The same program, splits, engine and one thread for all; no cache anywhere, so every call is asked and counted.
- Peers as documented: `auto="light"`, everything else as it comes, the same model that writes instructions for both,
  each proposal a new one. What a peer claims is that its program solves more validation cases than the one it began
  with, both counted after it returned; it has no other test.
- Ours: random search as it comes, a race of five configurations (number of demos, layouts) on the validation cases,
  from the same start; what it returns meets the start on the test cases, and is promoted if the gate's rule "better
  than baseline" passes. An outcome without a better candidate is a promotion of nothing.
- Power: the same with a family in which showing four demos or more truly adds eight points. Beside it stands how often
  the gate promotes the best configuration when it is told which one that is: what 300 cases can show at all.
- Reported is the test score, true the score over all cases there could be. The mean of the difference is the bias. Its
  mean size also holds the luck of the draw of the test cases: sqrt(2 / pi) standard errors of a share, whoever reports
  it. So it is shown for the 300 cases, and held against its target on 1,500 fresh ones, by which nothing was chosen.
- Peers' two scores on the validation cases and scores on fresh cases are read off the simulation's coins, which give
  what the program would; search and gate go through the program.
- Bias among promoted ones alone is shown, too: to be promoted is to be lucky, the more so the smaller the power.
"""

import argparse
import contextlib
import io
import json
import logging
import math
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import dspy
from scipy.stats import binomtest

from benchmarks.simulated_task import METRIC, NULL, Draw, Family, World, demos_help
from workbench.agents import AgentSpec, examples
from workbench.core import Episode, Run
from workbench.evals import metric, render_table
from workbench.gates import Rule, check
from workbench.optimize import RandomSearch, Space, optimize, vary
from workbench.optimize.fewshot import taught

FALSE, POWER, POINTS = 0.05, 0.80, 0.01
GAIN = 0.08
TEST, FRESH = 300, 1500
RUNS, QUICK = 200, 12
FIRST = {RUNS: 5000, QUICK: 1000}
"""The first seed. Candidates and the correlation of cases were chosen after looks at quick runs; the full ones share
none of their seeds."""
SPACE: Space = {"demos": [0, 1, 2, 4, 6, 8, 12, 16], "layout": ["signature", "documented", "json"]}
BEST = 8
"""Demos of a configuration that is truly better where some are."""
RULE = Rule(metric=METRIC, better_than="baseline")
ELSEWHERE = {"gepa": 0.88, "mipro": 0.50}
"""Claims on a null task, measured on another machine with 16 runs before this was written, as a reference."""
NAMES = {"gepa": 'dspy.GEPA(auto="light")', "mipro": 'dspy.MIPROv2(auto="light")'}


class Ours(NamedTuple):
    """One run of search and gate."""

    found: bool
    """The search returned another candidate than the start."""
    promoted: bool
    validation: float
    """The winner's score on the cases that chose it."""
    reported: float
    """Its score on the test."""
    fresh: float | None
    """Its score on 1,500 further cases; None where that was not asked."""
    true: float
    known: bool
    """The gate promotes the best configuration when it is told which one that is."""
    calls: int


class Peer(NamedTuple):
    """One run of a peer."""

    before: float
    """The start on the validation cases."""
    after: float
    """What it returned on the same."""
    true_gain: float
    calls: int
    proposals: int


@dataclass(frozen=True)
class Order:
    """One run to make."""

    who: str
    """"ours", "gepa" or "mipro"."""
    family: str
    """"null" or "gain"."""
    seed: int


def family_of(name: str) -> Family:
    """The family of that name."""
    return NULL if name == "null" else demos_help(GAIN)


def run_ours(order: Order) -> Ours:
    """Search on the validation cases, then the gate on the test."""
    fresh = FRESH if order.family == "gain" else 0
    world = World(family_of(order.family), order.seed, draw=Draw(test=TEST + fresh))
    test, further = world.test[:TEST], world.test[TEST:]
    found = optimize(world.start, [RandomSearch(SPACE)], world.task())
    calls = world.engine.calls
    champion = world.run(world.start, test, name="baseline", split="test")
    challenger = world.run(found.winner, test, name="winner", split="test")
    return Ours(
        found=found.best.number > 0,
        promoted=_promotes(champion, challenger),
        validation=found.best.score or 0.0,
        reported=_mean(challenger),
        fresh=world.score(found.winner, further) if further else None,
        true=world.truth(found.winner),
        known=bool(further) and _promotes(champion, world.run(_best(world), test, name="winner", split="test")),
        calls=calls,
    )


def run_peer(order: Order) -> Peer:
    """One of dspy's optimizers on the validation cases."""
    world = World(family_of(order.family), order.seed)
    reward, train, val = _reward(world), examples(world.train), examples(world.val)
    program = world.program()
    with world.build(world.start).speaking():
        if order.who == "gepa":
            gepa = dspy.GEPA(metric=reward, auto="light", reflection_lm=world.proposer, num_threads=1, seed=order.seed)
            returned = gepa.compile(program, trainset=train, valset=val)
        else:
            mipro = dspy.MIPROv2(
                metric=reward,
                auto="light",
                prompt_model=world.proposer,
                task_model=world.lm,
                num_threads=1,
                seed=order.seed,
            )
            returned = mipro.compile(program, trainset=train, valset=val)
    taken = world.candidate(returned)
    return Peer(
        before=world.score(world.start, world.val),
        after=world.score(taken, world.val),
        true_gain=world.effect(taken),
        calls=world.engine.calls,
        proposals=world.adviser.calls,
    )


def _best(world: World) -> AgentSpec:
    return vary(taught(world.start, world.task()), {"demos": BEST})


def _promotes(champion: Run, challenger: Run) -> bool:
    return check([RULE], challenger=challenger, champion=champion, seed=1).passed


def _mean(run: Run) -> float:
    return math.fsum(score.value or 0.0 for score in run.scores) / len(run.scores)


def _reward(world: World) -> Callable[..., float]:
    """The house's metric in the form that both of dspy's optimizers take."""
    score = metric(METRIC)
    cases = {case.case_id: case for case in (*world.train, *world.val)}

    def reward(example: dspy.Example, prediction: dspy.Prediction, *_more: object) -> float:
        case = cases[example.case_id]
        return (
            score(case, Episode(case_id=case.case_id, prediction=prediction.prediction, milliseconds=0.0)).value or 0.0
        )

    return reward


def run(order: Order) -> Ours | Peer:
    """One run, in silence: dspy prints and logs as it goes."""
    logging.disable(logging.WARNING)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return run_ours(order) if order.who == "ours" else run_peer(order)


def measure(runs: int, processes: int) -> tuple[dict[str, list[Ours]], dict[str, list[Peer]]]:
    """All runs: ours by family, the peers' by name."""
    seeds = range(FIRST[runs], FIRST[runs] + runs)
    ours = [Order("ours", family, seed) for family in ("null", "gain") for seed in seeds]
    peers = [Order(who, "null", seed) for who in NAMES for seed in seeds]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        results = list(zip([*ours, *peers], pool.map(run, [*ours, *peers], chunksize=4), strict=True))
    mine: dict[str, list[Ours]] = {"null": [], "gain": []}
    theirs: dict[str, list[Peer]] = {who: [] for who in NAMES}
    for order, result in results:
        if isinstance(result, Ours):
            mine[order.family].append(result)
        else:
            theirs[order.who].append(result)
    return mine, theirs


@dataclass(frozen=True)
class Line:
    """One measured figure."""

    what: str
    figure: str
    target: str = ""
    reference: str = ""
    met: bool | None = None
    """None where there is no target."""


def _share(hits: Sequence[bool]) -> str:
    low, high = binomtest(sum(hits), len(hits)).proportion_ci(0.95, method="wilson")
    return f"{sum(hits) / len(hits):.1%} [{low:.1%}, {high:.1%}]"


def _points(values: Sequence[float]) -> str:
    """A mean in points with its 95 % interval."""
    mean = math.fsum(values) / len(values)
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / max(1, len(values) - 1) / len(values))
    return f"{100 * mean:+.2f} ± {196 * error:.2f}"


def _mean_points(values: Sequence[float]) -> str:
    return f"{100 * math.fsum(values) / len(values):+.2f}"


def _size(values: Sequence[float]) -> float:
    return math.fsum(abs(value) for value in values) / len(values)


def _luck(runs: Sequence[Ours], cases: int) -> float:
    """The mean size of the error that a share of so many cases has by chance."""
    return math.sqrt(2 / math.pi) * math.fsum(math.sqrt(one.true * (1 - one.true) / cases) for one in runs) / len(runs)


def lines(mine: dict[str, list[Ours]], theirs: dict[str, list[Peer]]) -> list[Line]:
    """What was measured, against what was asked."""
    null, gain = mine["null"], mine["gain"]
    false, power = [one.promoted for one in null], [one.promoted for one in gain]
    found = [
        Line(
            "null: we promote",
            _share(false),
            f"at most {FALSE:.0%}",
            met=sum(false) <= FALSE * len(false),
        ),
        Line("null: our search returns another candidate", _share([one.found for one in null])),
    ]
    for who, runs in theirs.items():
        claims = [one.after > one.before for one in runs]
        found.append(Line(f"null: {NAMES[who]} claims", _share(claims), reference=f"{ELSEWHERE[who]:.0%} elsewhere"))
        claimed = [one.after - one.before for one in runs]
        found.append(
            Line(
                "  points it claims",
                _points(claimed),
                reference=f"{_mean_points([one.true_gain for one in runs])} true",
            )
        )
    reached = sum(power) / len(power)
    found += [
        Line("8 points: we promote", _share(power), f"at least {POWER:.0%}", met=reached >= POWER),
        Line("  the best one, told which it is", _share([one.known for one in gain])),
        Line("  the winner is truly better", _share([one.true > family_of("null").rate for one in gain])),
    ]
    return [*found, *_errors([*null, *gain], gain)]


def _errors(runs: Sequence[Ours], gain: Sequence[Ours]) -> list[Line]:
    """Reported less true, in points."""
    errors = [one.reported - one.true for one in runs]
    bias = abs(math.fsum(errors) / len(errors))
    fresh = [one.fresh - one.true for one in gain if one.fresh is not None]
    promoted = [one.reported - one.true for one in runs if one.promoted]
    most = f"at most {100 * POINTS:g}"
    return [
        Line(f"reported - true, {TEST} test cases: mean", _points(errors), f"{most} in size", met=bias <= POINTS),
        Line("  mean size", f"{100 * _size(errors):.2f}", reference=f"{100 * _luck(runs, TEST):.2f} by luck"),
        Line("  mean among promoted ones", _points(promoted) if promoted else "none"),
        Line(
            f"  mean size, {FRESH} fresh cases",
            f"{100 * _size(fresh):.2f}",
            most,
            f"{100 * _luck(gain, FRESH):.2f} by luck",
            met=_size(fresh) <= POINTS,
        ),
        Line("validation score - true: mean", _points([one.validation - one.true for one in runs])),
    ]


def costs(mine: dict[str, list[Ours]], theirs: dict[str, list[Peer]]) -> str:
    """Calls of each search, in words."""
    own = [one.calls for runs in mine.values() for one in runs]
    parts = [f"ours {sum(own) / len(own):.0f}"]
    for who, runs in theirs.items():
        asked = sum(one.calls for one in runs) / len(runs)
        wrote = sum(one.proposals for one in runs) / len(runs)
        parts.append(f"{NAMES[who]} {asked:.0f} and {wrote:.0f} proposals")
    return f"calls of a search, the mean: {'; '.join(parts)}"


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.null_task", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} runs of each, under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--processes", type=int, default=2, help="that run side by side; they change no figure")
    options = parser.parse_args(arguments)
    runs = QUICK if options.quick else RUNS
    mine, theirs = measure(runs, options.processes)
    found = lines(mine, theirs)
    print(f"null task, simulation, {runs} runs of each, 95 % intervals, points of 100")
    rows = [(one.what, one.figure, one.target, one.reference) for one in found]
    print(render_table(("what", "figure", "target", "reference"), rows).rstrip())
    print(costs(mine, theirs))
    missed = [one for one in found if one.met is False]
    for one in missed:
        print(f"MISSED: {one.what.strip()}: {one.figure}, target {one.target}")
    print("every target is met" if not missed else f"{len(missed)} targets are missed")
    if options.json is not None:
        result = {"runs": runs, "met": not missed, "lines": [asdict(one) for one in found]}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
