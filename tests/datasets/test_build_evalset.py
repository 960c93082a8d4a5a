"""An eval set has the sizes and shares that were asked for, no leak and no contradiction."""

from collections.abc import Sequence

import pytest

from workbench.core import (
    SPLITS,
    Case,
    DataError,
    EvalSet,
    ExpectedAbstention,
    ExpectedCall,
    ToolSpec,
    catalogue,
    digest_json,
)
from workbench.datasets import BfclData, EvalSetReport, Sizes, build_evalset, check_evalset, near_duplicates

WORDS = ("red", "blue", "old", "new", "big", "small", "far", "near", "hot", "cold")


def _call(number: int, tool: str = "", request: str = "", tag: str = "a") -> Case:
    words = " ".join(f"{WORDS[int(digit)]}{place}" for place, digit in enumerate(f"{number:04d}"))
    expected = ExpectedCall(tool=ToolSpec(name=tool or f"tool{number % 7}"), arguments={})
    return Case(
        case_id=f"c{number:04d}",
        request=request or f"{words} number{number}",
        expected=expected,
        cluster="",
        tags=(tag,),
    )


def _abstention(number: int, request: str = "") -> Case:
    case = _call(number, request=request, tag="none")
    return case.model_copy(update={"case_id": f"n{number:04d}", "expected": ExpectedAbstention()})


def _build(
    cases: Sequence[Case], train: int, val: int, test: int, share: float = 0.0, seed: int = 7
) -> tuple[EvalSet, EvalSetReport]:
    return build_evalset("set", cases, sizes=Sizes(train=train, val=val, test=test), abstention_share=share, seed=seed)


POOL = tuple(_call(number, tag="ab"[number % 4 == 0]) for number in range(200)) + tuple(
    _abstention(number) for number in range(1000, 1080)
)


def test_sizes_shares_and_strata_are_met() -> None:
    """Each split has its size, its abstentions, and each tag in its share of the pool, to within one case."""
    evalset, report = _build(POOL, 60, 40, 80, share=0.25)

    assert {"train": 60, "val": 40, "test": 80} == {split: len(evalset.split(split)) for split in SPLITS}
    assert {"train": 15, "val": 10, "test": 20} == {split: report.splits[split].abstentions for split in SPLITS}
    for split in SPLITS:
        calls = report.splits[split].cases - report.splits[split].abstentions
        assert abs(calls / 4 - report.splits[split].tags["b"]) <= 1
    assert 280 - 180 == report.unused


def test_every_prefix_of_a_split_is_mixed() -> None:
    """The first half of a split has half of its abstentions, so a limit on cases keeps the share."""
    evalset, _ = _build(POOL, 0, 0, 80, share=0.25)

    assert 10 == sum(isinstance(case.expected, ExpectedAbstention) for case in evalset.test[:40])


def test_the_same_input_in_any_order_gives_the_same_bytes() -> None:
    """The digest depends on the cases and the seed, not on the order the cases come in."""
    one, _ = _build(POOL, 60, 40, 80, share=0.25)
    other, _ = _build(POOL[::-1], 60, 40, 80, share=0.25)
    third, _ = _build(POOL, 60, 40, 80, share=0.25, seed=8)

    assert one.digest == other.digest
    assert one.digest != third.digest


def test_a_larger_train_split_leaves_test_and_val_alone() -> None:
    """More training data does not change what a result is measured on."""
    small, _ = _build(POOL, 10, 40, 80)
    large, _ = _build(POOL, 60, 40, 80)

    assert (small.val, small.test) == (large.val, large.test)


def test_near_duplicates_stay_in_one_split() -> None:
    """Of forty pairs that differ in one word of ten, no pair is divided."""
    pairs = [
        _call(2 * n + i, request=f"{n}a {n}b {n}c {n}d {n}e {n}f {n}g {n}h {n}i " + "xy"[i])
        for n in range(40)
        for i in (0, 1)
    ]
    evalset, report = _build(pairs, 20, 20, 31)
    roots = near_duplicates([case.request for split in SPLITS for case in evalset.split(split)])
    splits = [split for split in SPLITS for _ in evalset.split(split)]

    assert (40, 2) == (report.groups, report.largest_group)
    assert len(set(roots)) == len(set(zip(roots, splits, strict=True)))


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (_abstention(9, request="Find me a cheap flight to Rome now"), "1 of 2 near-duplicates expect an abstention"),
        (_call(9, tool="boat", request="find me a cheap flight to Rome!"), "the same request expects 'boat' and 'fly'"),
    ],
)
def test_a_contradictory_group_is_dropped_and_counted(other: Case, reason: str) -> None:
    """Both members go, and the report names them with the reason."""
    cases = (_call(8, tool="fly", request="Find me a cheap flight to Rome"), other, _call(1))
    evalset, report = _build(cases, 0, 0, 1)

    assert ["c0001"] == [case.case_id for case in evalset.test]
    ((dropped),) = report.contradictions
    assert (tuple(sorted(["c0008", other.case_id])), reason) == (dropped.case_ids, dropped.reason)


def test_alike_requests_for_two_tools_are_no_contradiction() -> None:
    """Requests that differ in a word may need different tools."""
    cases = (
        _call(8, tool="fly", request="find me a cheap flight to Rome"),
        _call(9, tool="sail", request="find me a cheap boat to Rome"),
    )

    assert () == _build(cases, 0, 0, 2)[1].contradictions


def test_cases_of_one_tool_share_a_cluster() -> None:
    """Cases that expect one tool are one cluster, as are near-duplicates; an abstention stands alone."""
    cases = (
        _call(1, tool="fly"),
        _call(2, tool="fly", request="one two three four five six seven eight nine ten"),
        _call(3, tool="sail", request="one two three four five six seven eight nine TEN eleven"),
        _call(4, tool="walk"),
        _abstention(5),
    )
    evalset, _ = _build(cases, 0, 0, 5, share=0.2)

    expected = {"c0001": "tool:fly", "c0002": "tool:fly", "c0003": "tool:fly", "c0004": "tool:walk"}
    assert expected | {"n0005": "request:n0005"} == {case.case_id: case.cluster for case in evalset.test}


def test_a_case_that_was_asked_for_its_digest_keeps_no_stale_one() -> None:
    """The new cluster is part of a case's identity, also if its digest was known before."""
    assert POOL[0].digest
    evalset, _ = _build(POOL[:1], 0, 0, 1)

    assert digest_json(evalset.test[0].model_dump(mode="json")) == evalset.test[0].digest
    assert POOL[0].digest != evalset.test[0].digest


def test_too_small_a_pool_is_an_error_with_counts() -> None:
    """What can't be met is said, in cases of the kind that is short."""
    with pytest.raises(DataError, match=r"'train' needs 150 call cases and 110 of 200 are left"):
        _build(POOL, 150, 30, 60)
    with pytest.raises(DataError, match=r"'test' needs 90 abstention cases and 80 of 80 are left"):
        _build(POOL, 0, 0, 90, share=1.0)


def test_a_wrong_share_and_a_repeated_id_are_refused() -> None:
    """A share is in [0, 1], and an id names one case."""
    with pytest.raises(DataError, match="abstention share"):
        _build(POOL, 1, 1, 1, share=1.5)
    with pytest.raises(DataError, match=r"'c0001'.*more than once"):
        _build((_call(1), _call(1)), 0, 0, 1)


def test_the_real_leaderboard_makes_a_sound_eval_set(bfcl: BfclData) -> None:
    """A set of the size that experiments use is drawn without a problem, and contradictions exist to be dropped."""
    sizes = Sizes(train=300, val=200, test=800)
    evalset, report = build_evalset("bfcl", bfcl.cases, sizes=sizes, abstention_share=0.25, seed=7)

    assert () == check_evalset(evalset, catalogue("bfcl", bfcl.tools))
    dropped = {case_id for group in report.contradictions for case_id in group.case_ids}
    assert {"irrelevance_228", "simple_python_377"} <= dropped
    assert dropped.isdisjoint(case.case_id for split in SPLITS for case in evalset.split(split))
