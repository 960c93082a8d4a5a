"""Claims made together, corrected together."""

import numpy as np
import pytest

from workbench.gates import Rule
from workbench.gates.evidence import Evidence
from workbench.gates.family import CORRECTIONS, correct, fixed_sequence, holm


def test_holm_s_correction_worked_by_hand() -> None:
    """Four p-values: 4 x 0.005, 3 x 0.01, then never less than before; Holm 1979."""
    assert pytest.approx([0.02, 0.03, 0.06, 0.06], abs=1e-12) == holm([0.005, 0.01, 0.03, 0.04])
    assert pytest.approx([0.06, 0.06, 0.02, 0.03], abs=1e-12) == holm([0.03, 0.04, 0.005, 0.01])
    assert pytest.approx([0.9, 0.9], abs=1e-12) == holm([0.8, 0.45])
    assert [] == holm([])


def test_holm_s_method_is_the_closure_of_bonferroni_s() -> None:
    """The adjusted p-value is the largest Bonferroni p-value of the sets of claims that a claim is in."""
    stream = np.random.default_rng(41)
    for _ in range(50):
        raw = stream.random(4) ** 2
        sets = [[place for place in range(4) if number >> place & 1] for number in range(1, 16)]
        tests = {tuple(one): min(1.0, len(one) * min(raw[one])) for one in sets}
        wanted = [max(p for one, p in tests.items() if place in one) for place in range(4)]
        assert pytest.approx(wanted, abs=1e-12) == holm(raw.tolist())


def test_a_fixed_sequence_stops_at_the_first_claim_that_is_not_shown() -> None:
    """What comes after it can't have a smaller p-value; what comes before pays nothing."""
    assert [0.04, 0.04, 0.3, 0.3] == fixed_sequence([0.04, 0.01, 0.3, 0.001])
    assert [] == fixed_sequence([])


def test_each_kind_of_claim_is_its_own_family() -> None:
    """Three rules can be broken and two claim "better"; what has no p-value gets none and lends no power."""
    rules = [
        Rule(metric="a", better_than="old"),
        Rule(metric="b", at_least=0.5),
        Rule(metric="c", coverage=0.9),
        Rule(metric="d", better_than="old"),
        Rule(metric="e", better_than="old"),
    ]
    evidence = [
        Evidence(0.1, met_p=0.02, broken_p=0.9),
        Evidence(0.6, met_p=0.04, broken_p=0.01),
        Evidence(1.0),
        Evidence(0.1, met_p=0.01, broken_p=0.02),
        Evidence(None),
    ]

    found = correct(rules, evidence, broken=holm, better=CORRECTIONS["holm"])
    assert [0.04, 0.04, None, 0.03, None] == [one.met_p for one in found]
    assert [0.9, 0.03, None, 0.04, None] == [one.broken_p for one in found]
    ordered = correct(rules, evidence, broken=holm, better=CORRECTIONS["fixed sequence"])
    assert [0.02, 0.04, None, 0.02, None] == [one.met_p for one in ordered]
