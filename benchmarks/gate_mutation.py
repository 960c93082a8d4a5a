"""Does the gate guard itself? Seeded weakenings of rules, suite, judges and evidence, and edits that do no harm.

    python -m benchmarks.gate_mutation [--quick] [--json FILE]

Rules of the experiment:

- A gate of six rules over a suite of 80 generated cases in 40 clusters, decided on runs of two scripted agents with two
  repeats. What was agreed is written down once as a pact.
- A mutation changes what a person could change: the rules, the terms, the suite, the graders, or the evidence. Where an
  honest person would evaluate again after it (another suite), the mutation does, and where a forger would make the
  verdict fit (edited scores), it does that, too: only the gate's own guard can notice.
- Noticed is a mutation with at least one alarm of `workbench.gates.weakened` or `contradictions`. A harmless edit must
  raise none.
- Among the mutations are forgeries of the episodes themselves, with everything after them made to fit. Nothing in the
  evidence can show those; they count as not noticed.

Label: scripted agents; it says nothing of any model. Reference: the one published figure, of another gate and its own
weakenings, so it tells how hard the question is and not which gate is better.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.gate_edits import HARMLESS, WEAKENINGS, Change
from benchmarks.gate_setting import Setting, alarms, begin, pact
from workbench.core import stream
from workbench.evals import render_table
from workbench.gates import Pact

TARGET = 0.95
PUBLISHED = ("9 of 19 (47.4%)", "0 of 4")
"""Weakenings noticed, and alarms on harmless edits. Source: github.com/rosscyking1115/agent-release-gates,
docs/gate_mutation_adequacy.md, 2026-08-02, before the repair that it led to."""
LEAST_MUTATIONS, LEAST_HARMLESS = 100, 20
QUICK_SHARE = 4
"""A quick run tries one of four."""


@dataclass(frozen=True)
class Edit:
    """One edit, and what the guard said of it."""

    group: str
    name: str
    alarms: tuple[str, ...]


def measure(*, quick: bool) -> list[Edit]:
    """Every edit, each from what was agreed."""
    at = begin()
    agreed = pact(at)
    assert not alarms(agreed, at), "what was agreed raises no alarm"
    groups = {**WEAKENINGS, "harmless": HARMLESS}
    return [
        _try(agreed, at, group, change, number)
        for group, changes in groups.items()
        for change, count in changes
        for number in range(count)
        if not quick or number % QUICK_SHARE == 0
    ]


def _try(agreed: Pact, at: Setting, group: str, change: Change, number: int) -> Edit:
    edited = change(at, stream(number, change.__name__))
    return Edit(group, change.__name__, tuple(f"{one.about}: {one.what}" for one in alarms(agreed, edited)))


def render(edits: Sequence[Edit]) -> str:
    """A row for each group and each change."""
    by_name: defaultdict[tuple[str, str], list[Edit]] = defaultdict(list)
    for edit in edits:
        by_name[edit.group, edit.name].append(edit)
    rows = [
        (group, name.replace("_", " "), str(len(found)), str(sum(bool(one.alarms) for one in found)), _first(found))
        for (group, name), found in by_name.items()
    ]
    return render_table(("group", "edit", "tried", "noticed", "for instance"), rows)


def _first(edits: Sequence[Edit]) -> str:
    text = next((edit.alarms[0] for edit in edits if edit.alarms), "-")
    return text if len(text) <= 60 else f"{text[:59]}…"


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether the targets are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_mutation", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one of four edits, in seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    edits = measure(quick=options.quick)
    weak = [edit for edit in edits if edit.group != "harmless"]
    harmless = [edit for edit in edits if edit.group == "harmless"]
    noticed = sum(bool(edit.alarms) for edit in weak)
    false = sum(bool(edit.alarms) for edit in harmless)
    print("weakenings of a gate, and edits that do no harm; scripted agents, seeded\n")
    print(render(edits), end="\n\n")
    enough = options.quick or (len(weak) >= LEAST_MUTATIONS and len(harmless) >= LEAST_HARMLESS)
    met = enough and noticed >= TARGET * len(weak) and not false
    rows = [
        ("weakenings noticed", f"{noticed} of {len(weak)} ({noticed / len(weak):.1%})", "at least 95 %", PUBLISHED[0]),
        ("alarms on harmless edits", f"{false} of {len(harmless)}", "none", PUBLISHED[1]),
    ]
    print(render_table(("figure", "measured", "target", "published of another gate"), rows))
    print(f"target {'met' if met else 'MISSED'}")
    if options.json is not None:
        options.json.write_text(json.dumps({"met": met, "edits": [asdict(edit) for edit in edits]}, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
