"""Non-interference: do untrusted bytes ever change what an agent does without an approval? Would we notice if they did?

    python -m benchmarks.non_interference [--quick] [--json FILE]

Rules:

- A trajectory is a random program of three to five tool calls (`interference_play`), drawn from a seeded stream of our
  own: Hypothesis draws from the same generator in tests/tools, but its bookkeeping would cost more than the gate here.
  It is played twice; only the untrusted bytes differ, in kind, size, nesting and field names as well.
- The gate is the real one with labels, flow, Cedar policies and rules of approval; journal, approvals, threads and log
  are in memory (`interference_world`). Nobody approves, so each effect is an unapproved one.
- The sequence of effects must be the same: tools, and the arguments that decide what is done. Arguments that a tool
  declares as content may differ, for that is what content is; how often they did is shown.
- What this does not say: bytes that don't fit a tool's schema, or that a redactor drops, deny the call that carries
  them. So no schema here limits content, no policy speaks of it, and each call has an occasion of its own: two calls of
  one occasion are one action if their content is equal, too. Of a refused call the host labels what it was told as it
  labelled the call, for the gate's own label says nothing of who caused the refusal.
- A mutant is caught if two plays differ, if the engine fails, or if an axiom does not hold (`interference_axioms`).
  Those that no input can tell from the engine are listed with the reason and counted apart. What survives meets ten
  times the effort in a full run. The engine itself goes through the same and must not be caught.
"""

import argparse
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from benchmarks.figures import Figure, conclude
from benchmarks.interference_axioms import AXIOMS
from benchmarks.interference_equivalents import EQUIVALENT
from benchmarks.interference_mutants import Mutant, applied, mutants, unchanged
from benchmarks.interference_play import Play, draw_bytes, draw_program
from benchmarks.interference_world import World
from workbench.core import stream
from workbench.evals import render_table

SEED = 29
TRAJECTORIES, QUICK_TRAJECTORIES = 100_000, 1_500
PLAYS, ROUNDS, DEEPER = 40, 150, 10
"""Trajectories, and rounds of each axiom, that a mutant meets at first; a survivor of a full run meets more of both."""
QUICK_SHARE = 8
CAUGHT = 0.95
HANGS_SECONDS = 20.0


@dataclass
class Played:
    """What came of many trajectories."""

    trajectories: int = 0
    differing: list[int] = field(default_factory=list)
    """Numbers of those whose effects differ."""
    effects: int = 0
    acting: int = 0
    """Trajectories with an effect."""
    carrying: int = 0
    """Trajectories whose effects carried other bytes in the second play."""
    kinds: Counter[str] = field(default_factory=Counter)


def play(numbers: range, world: World) -> Played:
    """Play each program twice."""
    played = Played()
    for number in numbers:
        rng = stream(SEED, "trajectory", str(number))
        program, said, other = draw_program(rng), draw_bytes(rng), draw_bytes(rng)
        first, second = Play(world, said), Play(world, other)
        effects = first.run(program)
        if effects != second.run(program):
            played.differing.append(number)
        played.trajectories += 1
        played.effects += len(effects)
        played.acting += bool(effects)
        played.carrying += first.carried != second.carried
        played.kinds.update(first.kinds)
    return played


class Hangs(BaseException):
    """A mutant does not come to an end. Not an Exception, so that nothing takes it for a denial."""


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def axiom_broken(mutant: Mutant, *, effort: int = 1) -> str:
    """The axiom that does not hold, or how the engine fails; empty if all hold."""
    return _within(mutant, lambda: _broken(ROUNDS * effort), effort)


def _broken(rounds: int) -> str:
    world = World()
    for axiom in AXIOMS:
        try:
            for number in range(rounds):
                axiom(stream(SEED, "axiom", str(number)), world)
        except AssertionError:
            return axiom.__name__
    return ""


def interference(mutant: Mutant, *, effort: int = 1) -> str:
    """Whether the property alone catches it: "non-interference" if two plays differ, or how the engine fails."""
    return _within(mutant, lambda: _differs(PLAYS * effort), effort)


def _differs(plays: int) -> str:
    world = World()
    return "non-interference" if any(play(range(n, n + 1), world).differing for n in range(plays)) else ""


def _within(mutant: Mutant, work: Callable[[], str], effort: int) -> str:
    with applied(mutant):
        try:
            with _limited(HANGS_SECONDS * effort):
                return work()
        except (Hangs, Exception) as error:  # a mutant may fail in any way, and hides nothing by it
            return f"fails: {type(error).__name__}"


@dataclass(frozen=True)
class Tried:
    """One mutant and what caught it."""

    name: str
    by: str
    """What caught it first, axioms first; empty if nothing did."""
    alone: str
    """What the property alone would have said."""
    equivalent: str = ""
    """Why nothing can catch it."""


def try_mutants(found: Iterable[Mutant], *, deeper: int = 1) -> Iterator[Tried]:
    """Each in turn; what survives once meets so many times the effort."""
    for mutant in found:
        alone = interference(mutant)
        by = axiom_broken(mutant) or alone
        if not by and deeper > 1:
            by = axiom_broken(mutant, effort=deeper) or interference(mutant, effort=deeper)
        yield Tried(mutant.name, by, alone, EQUIVALENT.get(mutant.name, ""))


def figures(played: Played, controls: Sequence[Tried], tried: Sequence[Tried], wanted: int) -> list[Figure]:
    """Every target."""
    false = sum(bool(one.by) for one in controls)
    real = [one for one in tried if not one.equivalent]
    share = sum(bool(one.by) for one in real) / max(len(real), 1)
    wrong = [one for one in tried if one.equivalent and one.by]
    return [
        Figure("trajectories, each played twice", played.trajectories, f">= {wanted}", played.trajectories >= wanted),
        Figure("with other effects the second time", len(played.differing), "0", not played.differing),
        Figure("unapproved effects in the first plays", played.effects),
        Figure("trajectories with an effect", played.acting),
        Figure("trajectories whose effects carried other bytes", played.carrying),
        Figure(f"the engine itself, put together {len(controls)} times: caught", false, "0", not false),
        Figure("mutants", len(tried)),
        Figure("of these equivalent, argued one by one", len(tried) - len(real)),
        Figure("argued to be so, and caught", len(wrong), "0", not wrong),
        Figure("caught, of those that are not", share, f">= {CAUGHT}", bool(real) and share >= CAUGHT),
        Figure("caught, of all", sum(bool(one.by) for one in tried) / max(len(tried), 1)),
        Figure("caught by non-interference alone", sum(bool(one.alone) for one in real) / max(len(real), 1)),
    ]


def render(tried: Sequence[Tried]) -> str:
    """A line for each target of mutation, and survivors and equivalents by name."""
    targets = sorted({one.name.partition(":")[0] for one in tried})
    rows = []
    for target in targets:
        some = [one for one in tried if one.name.startswith(f"{target}:")]
        by = Counter(one.by for one in some if one.by)
        most = ", ".join(f"{name} {count}" for name, count in by.most_common(2))
        rows.append((target, str(len(some)), str(sum(by.values())), str(sum(bool(one.alone) for one in some)), most))
    table = render_table(("mutants of", "number", "caught", "by the property alone", "most often by"), rows)
    survived = [one.name for one in tried if not one.by and not one.equivalent]
    argued = [f"{one.name}\n      {one.equivalent}" for one in tried if one.equivalent]
    lists: Mapping[str, Sequence[str]] = {"survivors": survived, "equivalent": argued}
    told = (
        f"{head}: {len(names) or 'none'}" + "".join(f"\n  {name}" for name in names) for head, names in lists.items()
    )
    return "\n\n".join((table, *told))


def main(words: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.non_interference", description=__doc__.split("\n")[0])
    small = f"{QUICK_TRAJECTORIES:,} trajectories and one of {QUICK_SHARE} mutants"
    parser.add_argument("--quick", action="store_true", help=small)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(words)
    wanted = QUICK_TRAJECTORIES if options.quick else TRAJECTORIES
    played = play(range(wanted), World())
    step = QUICK_SHARE if options.quick else 1
    controls = list(try_mutants(list(unchanged())[::step]))
    tried = list(try_mutants(list(mutants())[::step], deeper=1 if options.quick else DEEPER))
    print("scripted: random programs and seeded mutants; no model takes part\n")
    print(render(tried), end="\n\n")
    if played.differing:
        print(f"counterexamples, by number: {played.differing[:20]}")
    return conclude(figures(played, controls, tried, wanted), options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
