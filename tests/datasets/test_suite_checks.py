"""What is wrong between the cases of suites, what they cover, and what changed between two versions."""

from pathlib import Path

import pytest

from workbench.core import EvalSet, write_record
from workbench.datasets.suite import Suite, build_suite, read_suite
from workbench.datasets.suite_checks import check_cases
from workbench.datasets.suite_coverage import cover, render_gaps
from workbench.datasets.suite_diff import diff_suites, read_version, render_diff

TOOL = """{"name": "ride.book", "parameters": {"type": "object", "required": ["place"],
"properties": {"place": {"type": "string"}}}}""".replace("\n", " ")
SEA = "{kind: call, tool: ride.book, arguments: {place: sea}}"
STATE = "{kind: state, state: {calls: {ride.book: [{place: sea}]}}, solution: [{tool: ride.book}]%s}"


def suite(folder: Path, *cases: str, kind: str = "golden", must_cover: str = "{}") -> Suite:
    """A suite of these cases, one a line, numbered."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tools.jsonl").write_text(f"{TOOL}\n", encoding="utf-8")
    card = f"name: small\nkind: {kind}\nowner: me\ndescription: x\ntools: tools.jsonl\nmust_cover: {must_cover}\n"
    (folder / "suite.yaml").write_text(card, encoding="utf-8")
    lines = (f"- {{id: c{number}, {case}}}\n" for number, case in enumerate(cases))
    (folder / "cases.yaml").write_text("".join(lines), encoding="utf-8")
    return read_suite(folder)


def checks(*suites: Suite) -> list[tuple[str, str]]:
    """Case id and rule of each problem."""
    return [(problem.case_id, problem.check) for problem in check_cases(suites)]


def test_a_sound_suite_has_no_problem(tmp_path: Path) -> None:
    """Different requests, right expectations, all covered."""
    sound = suite(tmp_path, f"request: To the sea., expected: {SEA}", must_cover="{tools: [ride.book]}")

    assert [] == checks(sound)


def test_ids_are_unique_over_suites(tmp_path: Path) -> None:
    """The second is named with the place of the first."""
    one = suite(tmp_path / "a", f"request: To the sea., expected: {SEA}")
    other = suite(tmp_path / "b", "request: Tell me why cats purr., expected: {kind: abstention}")

    (problem,) = check_cases([one, other])
    assert ("c0", "each id comes once") == (problem.case_id, problem.check)
    assert f"{tmp_path / 'a' / 'cases.yaml'}:1" in problem.message


def test_near_duplicates_share_a_cluster(tmp_path: Path) -> None:
    """Over suites as within one."""
    apart = suite(
        tmp_path, f"request: Drive to the sea, expected: {SEA}", f"request: drive to the SEA!, expected: {SEA}"
    )
    assert [("c1", "near-duplicates share a cluster")] == checks(apart)

    same = (
        f"request: Drive to the sea, cluster: k, expected: {SEA}",
        f"request: drive to the SEA, cluster: k, expected: {SEA}",
    )
    assert [] == checks(suite(tmp_path, *same))


@pytest.mark.parametrize("other", ["{kind: abstention}", "{kind: call, tool: ride.book, arguments: {place: lake}}"])
def test_one_request_expects_one_thing(tmp_path: Path, other: str) -> None:
    """The same words with another call, or with none."""
    cases = (f"request: Drive!, cluster: k, expected: {SEA}", f"request: drive, cluster: k, expected: {other}")

    assert [("c1", "one request expects one thing")] == checks(suite(tmp_path, *cases))


def test_an_argument_that_can_t_be_given_is_named(tmp_path: Path) -> None:
    """One that the tool does not have, and a required one that is left out."""
    cases = ("request: Drive., expected: {kind: call, tool: ride.book, arguments: {city: x}}",)

    assert [("c0", "each expected argument can be given right")] * 2 == checks(suite(tmp_path, *cases))


def test_coverage_names_what_is_missing_and_what_was_not_declared(tmp_path: Path) -> None:
    """Counts over all suites; a name that is nearly a declared one gets the hint."""
    must_cover = "{intents: [travel, home], tools: [ride.book], failures: [wrong tool]}"
    one = suite(
        tmp_path,
        f"request: Sea., expected: {SEA}, covers: {{intent: [travel, travl]}}",
        "request: Why, expected: {kind: abstention}, covers: {intent: travel}",
        must_cover=must_cover,
    )
    found = cover([one])

    assert [
        ("intent", "home", 0, True),
        ("intent", "travel", 2, True),
        ("intent", "travl", 1, False),
        ("tool", "ride.book", 1, True),
        ("failure", "wrong tool", 0, True),
    ] == [(line.aspect, line.name, line.cases, line.declared) for line in found.lines]
    assert {"intent": 0, "tool": 1, "policy": 2, "failure": 2} == found.unmarked
    assert (
        "NOT COVERED: intent home\nNOT COVERED: failure wrong tool\n"
        'not declared: intent travl; did you mean "travel"?\ncases that name none: 1 tool, 2 policy, 2 failure\n'
    ) == render_gaps(found)
    assert ["what must be covered is covered"] * 2 == [check for _case, check in checks(one)]


def version(folder: Path, *cases: str, kind: str = "regression") -> EvalSet:
    """The eval set of a suite of regressions."""
    extra = ", bug: b, fixed: 2026-11-02" if kind == "regression" else ""
    suite(folder, *(f"{case}{extra}" for case in cases), kind=kind)
    return build_suite(folder)


A = f"request: a, expected: {SEA}"
PLAYED = f"request: a, expected: {STATE % ''}"


@pytest.mark.parametrize(
    ("before", "after", "field", "needs"),
    [
        (A, A.replace("request: a", "request: b"), "request", "try again"),
        (PLAYED, f"request: a, expected: {STATE % ', start: {x: 1}'}", "expected.start.x", "try again"),
        (PLAYED, f"request: a, expected: {STATE % ', match: exact'}", "expected.match", "grade again"),
        (A, A.replace("sea", "bay"), "expected.arguments.place", "grade again"),
        (A, f"{A}, cluster: k", "cluster", "report again"),
        (A, f"{A}, covers: {{intent: i}}", "tags", "report again"),
    ],
)
def test_a_changed_case_says_what_it_needs(tmp_path: Path, before: str, after: str, field: str, needs: str) -> None:
    """Field by field; and any change makes runs incomparable."""
    diff = diff_suites(version(tmp_path, before), version(tmp_path, after))
    (case,) = diff.changed

    assert ([field], needs, False) == ([change.field for change in case.changes], case.needs, diff.comparable)


def test_a_diff_names_added_and_removed_cases(tmp_path: Path) -> None:
    """In words: what a run on the first lacks."""
    keep, old, new = (f"request: {word}, expected: {SEA}" for word in ("a", "b", "d"))
    before = version(tmp_path / "a", keep, old)
    after = version(tmp_path / "b", keep.replace("request: a", "request: z"), old, new)
    diff = diff_suites(before, after)

    assert (("c2",), (), 1) == (diff.added, diff.removed, diff.unchanged)
    assert ("c0", "c2") == diff.needing("try again")
    text = render_diff(diff)
    assert "~ c0: try again\n    request: 'a' -> 'z'\n1 added, 0 removed, 1 changed, 1 the same\n" in text
    assert "a run on one can't be compared with a run on the other" in text
    assert "  try again: c0, c2\n" in text
    assert "  leave out: c2\n" in render_diff(diff_suites(after, before))


def test_the_same_version_is_comparable_even_from_a_kept_file(tmp_path: Path) -> None:
    """A run keeps the eval set it was made on."""
    now = version(tmp_path, f"request: a, expected: {SEA}")
    write_record(tmp_path / "evalset.json", now)
    diff = diff_suites(read_version(tmp_path / "evalset.json"), read_version(tmp_path))

    assert diff.comparable
    assert "can be compared with" in render_diff(diff)
