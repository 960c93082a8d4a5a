"""What suites cover, and what nobody has written a case for."""

from collections import Counter
from collections.abc import Sequence

from pydantic import Field

from workbench.core import Record, nearest
from workbench.datasets.suite import Suite
from workbench.datasets.suite_lines import ASPECTS, Aspect


class CoverageLine(Record):
    """One intent, tool, policy or failure mode."""

    aspect: Aspect
    name: str
    cases: int = Field(ge=0)
    declared: bool
    """Whether a suite says that it must be covered."""
    hint: str = ""
    """What else the name could mean, where it is covered and not declared."""


class SuiteCoverage(Record):
    """What suites cover together."""

    lines: tuple[CoverageLine, ...]
    """By aspect, then name."""
    unmarked: dict[str, int]
    """Cases that cover nothing of an aspect, by aspect."""

    @property
    def uncovered(self) -> tuple[CoverageLine, ...]:
        """What must be covered and is not."""
        return tuple(line for line in self.lines if not line.cases)

    @property
    def undeclared(self) -> tuple[CoverageLine, ...]:
        """What is covered though no suite says that it must be."""
        return tuple(line for line in self.lines if not line.declared)


def cover(suites: Sequence[Suite]) -> SuiteCoverage:
    """Count for everything that is declared or covered the cases that cover it, over all suites together."""
    written = [case for suite in suites for case in suite.cases]
    lines: list[CoverageLine] = []
    for aspect in ASPECTS:
        declared = {name for suite in suites for name in suite.card.must_cover.covers().of(aspect)}
        counts = Counter(name for case in written for name in dict.fromkeys(case.covers.of(aspect)))
        for name in sorted(declared | counts.keys()):
            hint = nearest(name, declared) if name not in declared and declared else ""
            lines.append(
                CoverageLine(
                    aspect=aspect,
                    name=name,
                    cases=counts[name],
                    declared=name in declared,
                    hint=hint if hint.startswith("did you mean") else "",
                )
            )
    unmarked = {aspect: sum(not case.covers.of(aspect) for case in written) for aspect in ASPECTS}
    return SuiteCoverage(lines=tuple(lines), unmarked=unmarked)


def render_gaps(coverage: SuiteCoverage) -> str:
    """What is not covered and what was not declared, by name; ends with a line break."""
    lines = [f"NOT COVERED: {line.aspect} {line.name}" for line in coverage.uncovered]
    for line in coverage.undeclared:
        lines.append(f"not declared: {line.aspect} {line.name}{f'; {line.hint}' if line.hint else ''}")
    silent = ", ".join(f"{count} {aspect}" for aspect, count in coverage.unmarked.items() if count)
    lines.append(f"cases that name none: {silent or 'no case'}")
    return "\n".join(lines) + "\n"
