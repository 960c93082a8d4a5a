"""Claims made together are corrected together.

Two mistakes must stay rare, each for the gate as a whole and each with a chance of at most alpha / 2:

- A false FAIL. One broken rule blocks, so twenty rules have twenty chances of a false alarm. The p-values of
  "broken" of all rules are corrected with Holm's method, whatever correction the gate names: in a fixed sequence a
  broken rule would hide behind an earlier one that is not.
- A false PASS. A gate passes only if every rule does, so a gate with one rule that is not met passes no more often
  than that rule alone: no correction is needed, and twenty rules need no wider margins than one. Source: Berger 1982,
  Multiparameter Hypothesis Testing and Acceptance Sampling, Technometrics 24(4), the intersection-union test; ICH E9
  1998, section 2.2.5.

"Better" is a claim that people repeat by itself ("success rose, p = 0.01"), so the p-values of all such rules are
corrected, too: with Holm's method, or as a fixed sequence in the order of the rules, each tested at full level while
all before it hold. Source: Maurer, Hothorn & Lehmacher 1995, in Vollmar, Biometrie in der chemisch-pharmazeutischen
Industrie 6; Westfall & Krishen 2001, J. Statistical Planning and Inference 99.
"""

from collections.abc import Callable, Mapping, Sequence

from workbench.core import Correction
from workbench.gates.evidence import Evidence
from workbench.gates.rule import Rule


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given.

    Source: Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure, Scand. J. Statistics 6.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def fixed_sequence(p_values: Sequence[float]) -> list[float]:
    """The adjusted p-values of claims that are tested one after the other: never less than one before.

    >>> fixed_sequence([0.01, 0.04, 0.03])
    [0.01, 0.04, 0.04]
    """
    return [max(p_values[: place + 1]) for place in range(len(p_values))]


Adjust = Callable[[Sequence[float]], list[float]]
"""Raw p-values into adjusted ones, in the order given."""

CORRECTIONS: Mapping[Correction, Adjust] = {
    "holm": holm,
    "fixed sequence": fixed_sequence,
}


def correct(rules: Sequence[Rule], evidence: Sequence[Evidence], *, broken: Adjust, better: Adjust) -> list[Evidence]:
    """The evidence with the p-values of "broken" corrected together, and those of "better" among themselves.

    A claim of "better" that could not be tested counts as one with p = 1: what is not measured lends nobody power.
    """
    tested = {place: found.broken_p for place, found in enumerate(evidence) if found.broken_p is not None}
    breaks = dict(zip(tested, broken([*tested.values()]), strict=True))
    claims = [place for place, rule in enumerate(rules) if rule.better_than is not None]
    raw = [evidence[place].met_p for place in claims]
    gains = dict(zip(claims, better([1.0 if p is None else p for p in raw]), strict=True))
    return [
        found._replace(met_p=None if found.met_p is None else gains.get(place, found.met_p), broken_p=breaks.get(place))
        for place, found in enumerate(evidence)
    ]
