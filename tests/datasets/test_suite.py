"""Suites as people write them, and as what they are read."""

import json
from pathlib import Path

import pytest

from workbench.core import Case, DataError, ExpectedAbstention, ExpectedCall
from workbench.core.evalset import ExpectedResistance, ExpectedState, Persona
from workbench.datasets.suite import build_suite, read_suite, read_suites

ROOT = Path(__file__).parents[2]
TOOLS = (ROOT / "data" / "first_tools" / "tools.jsonl").read_text(encoding="utf-8")
CARD = """name: small
kind: {kind}
owner: me
description: A small one.
tools: tools.jsonl
"""
STATE = "- id: a\n  request: x\n  expected:\n    kind: state\n    state: {x: 1}\n    solution: [{tool: ride.book}]\n"
RIDE = "{kind: call, tool: ride.book, arguments: {place: airport}}"


def write(folder: Path, cases: str, kind: str = "golden", card: str = "") -> Path:
    """A suite's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tools.jsonl").write_text(TOOLS, encoding="utf-8")
    (folder / "suite.yaml").write_text(CARD.format(kind=kind) + card, encoding="utf-8")
    (folder / "cases.yaml").write_text(cases, encoding="utf-8")
    return folder


def only(folder: Path) -> Case:
    """The one case of a suite."""
    (case,) = build_suite(folder).test
    return case


def test_a_case_is_read_as_it_is_meant(tmp_path: Path) -> None:
    """Tools by name, one value or several, its own id as cluster, and what it covers as tags."""
    call = '{kind: call, tool: text.translate, arguments: {word: bread, language: [French, "français", ""]}}'
    case = only(
        write(
            tmp_path,
            f"- id: a\n  request: Translate.\n  expected: {call}\n"
            "  covers: {intent: language, failure: [wrong tool, typo]}\n",
        )
    )

    assert isinstance(case.expected, ExpectedCall)
    assert {"word": ["bread"], "language": ["French", "français", ""]} == case.expected.arguments
    assert ("word", "language") == case.expected.tool.required
    assert ("a", "a") == (case.case_id, case.cluster)
    assert (
        "suite:golden",
        "failure:typo",
        "failure:wrong tool",
        "intent:language",
        "tool:text.translate",
    ) == case.tags


def test_a_scenario_offers_the_suite_s_tools(tmp_path: Path) -> None:
    """All of them unless some are named; a persona needs no kind."""
    text = (
        "- id: a\n  request: Go.\n  expected:\n    kind: state\n    state: {calls: {ride.book: [{place: sea}]}}\n"
        "    solution: [{tool: ride.book, arguments: {place: sea}}]\n"
        "    user: {persona: You want to go to the sea., model: embedded}\n"
    )
    expected = only(write(tmp_path, text, kind="scenario")).expected
    fewer = only(write(tmp_path, f"{text}    tools: [ride.book]\n", kind="scenario")).expected

    assert isinstance(expected, ExpectedState)
    assert isinstance(expected.user, Persona)
    assert ("calls", 8, "keys") == (expected.world, len(expected.tools), expected.match)
    assert isinstance(fewer, ExpectedState)
    assert ["ride.book"] == [tool.name for tool in fewer.tools]


def test_an_attack_keeps_its_honest_task(tmp_path: Path) -> None:
    """With the tool that the task needs as what it covers."""
    text = (
        f"- id: a\n  request: Go.\n  expected: {{kind: resistance, forbidden_tools: [mail.send], task: {RIDE}}}\n"
        "  cluster: attacks\n"
    )
    case = only(write(tmp_path, text, kind="adversarial"))

    assert isinstance(case.expected, ExpectedResistance)
    assert isinstance(case.task, ExpectedCall)
    assert ("attacks", ("suite:adversarial", "tool:ride.book")) == (case.cluster, case.tags)


def test_files_lines_and_notes_don_t_make_a_version(tmp_path: Path) -> None:
    """The same cases in another order, as JSON Lines, with notes and another owner: the same digest."""
    write(
        tmp_path / "a",
        f"- {{id: a, request: Drive., expected: {RIDE}}}\n- {{id: b, request: Hm., expected: {{kind: abstention}}}}\n",
    )
    write(tmp_path / "b", f"- {{id: a, request: Drive., expected: {RIDE}, note: 'plain'}}\n", card="must_cover: {}\n")
    line = {"id": "b", "request": "Hm.", "expected": {"kind": "abstention"}}
    (tmp_path / "b" / "cases-more.jsonl").write_text(f"\n{json.dumps(line)}\n", encoding="utf-8")

    assert build_suite(tmp_path / "a").digest == build_suite(tmp_path / "b").digest
    assert 2 == len(build_suite(tmp_path / "a").test)


def test_suites_of_one_folder_are_one_eval_set(tmp_path: Path) -> None:
    """All of it test, by id, under the folder's name; an id that comes twice names both places."""
    write(tmp_path / "set" / "a", f"- {{id: z, request: Drive., expected: {RIDE}}}\n")
    write(tmp_path / "set" / "b", "- {id: a, request: Hm., expected: {kind: abstention}}\n", kind="abstention")
    evalset = build_suite(tmp_path / "set")

    assert ("set", ["a", "z"]) == (evalset.name, [case.case_id for case in evalset.test])
    assert () == evalset.train + evalset.val
    assert isinstance(evalset.test[0].expected, ExpectedAbstention)
    write(tmp_path / "set" / "b", f"- {{id: z, request: Hm., expected: {RIDE}}}\n")
    with pytest.raises(DataError, match=r"case 'z' \(.*b/cases.yaml:1\): is in .*a/cases.yaml:1, too"):
        build_suite(tmp_path / "set")


@pytest.mark.parametrize(
    ("kind", "text", "error"),
    [
        ("golden", "- id: a\n  requst: x\n", r"case 'a' \(.*cases.yaml:1\): request: is missing"),
        (
            "golden",
            f"- id: a\n  request: x\n  expected: {RIDE}\n  nota: y\n",
            r"yaml:4\): nota: is no field .*\"note\"",
        ),
        ("golden", "- id: a\n  request: x\n  expected: {kind: cal}\n", r"yaml:3\): expected: .*'cal'"),
        (
            "golden",
            "- id: a\n  request: x\n  expected:\n    kind: call\n    tol: y\n",
            r"yaml:\d\): expected.tool: is m",
        ),
        (
            "golden",
            "- id: a\n  request: x\n  expected:\n    kind: call\n    tool: y\n    argments: {}\n",
            r"yaml:6\): expected.argments: is no field here; did you mean \"arguments\"",
        ),
        (
            "golden",
            "- id: a\n  request: x\n  expected: {kind: call, tool: ride.bok}\n",
            r"yaml:3\): expected.tool: tool 'ride.bok' is not one of the suite's; did you mean \"ride.book\"",
        ),
        ("golden", f"- id: a\n  id: b\n  request: x\n  expected: {RIDE}\n", r"yaml:2\): 0.id: is given twice"),
        ("golden", f"- id: a\n  request: x\n  expected: {RIDE}\n  bug: y\n", r"yaml:4\): bug: is for regressions"),
        (
            "golden",
            f"- id: a\n  request: x\n  expected: {RIDE}\n  covers: {{tool: x}}\n",
            r"yaml:4\): covers.tool: tool",
        ),
        (
            "abstention",
            f"- id: a\n  request: x\n  expected: {RIDE}\n",
            r"'call' is not for a suite of kind 'abstention'",
        ),
        (
            "regression",
            f"- id: a\n  request: x\n  expected: {RIDE}\n  fixed: 2026-11-02\n",
            r"yaml:1\): bug: is missing",
        ),
        ("regression", f"- id: a\n  request: x\n  expected: {RIDE}\n  bug: y\n", r"yaml:1\): fixed: is missing"),
        ("regression", f"- id: a\n  request: x\n  expected: {RIDE}\n  bug: y\n  fixed: May\n", r"yaml:5\): fixed: "),
        (
            "adversarial",
            f"- id: a\n  request: x\n  expected:\n    kind: resistance\n    task: {RIDE}\n",
            r"yaml:3\): expected: forbids nothing",
        ),
        (
            "scenario",
            f"{STATE}    user:\n      replies:\n        - {{say: hello}}\n",
            r"yaml:9\): expected.user.replies.0.says: is missing",
        ),
        (
            "scenario",
            f"{STATE}    user:\n      replies:\n        - {{says: hello, if_call: x}}\n",
            r"yaml:9\): expected.user.replies.0.if_call: is no field here; did you mean \"if_called\"",
        ),
        ("golden", "- id: a\n  request: [\n", r"cases \(.*yaml:3\): is not YAML"),
        ("golden", "id: a\n", r"must be a list of cases"),
        ("golden", "- {id: a, request: .nan}\n", r"holds what JSON can't: Out of range"),
        ("golden", "- &a [*a]\n", r"holds what JSON can't: Circular"),
        ("golden", "[]\n", r"has no case; write one"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, kind: str, text: str, error: str) -> None:
    """File, line, field, and the nearest known name."""
    with pytest.raises(DataError, match=error):
        read_suite(write(tmp_path, text, kind=kind))


@pytest.mark.parametrize(
    ("card", "error"),
    [
        ("ownr: me\n", r"suite \(.*suite.yaml:6\): ownr: is no field here; did you mean \"owner\""),
        ("must_cover: {tols: [x]}\n", r"suite.yaml:6\): must_cover.tols: is no field here; did you mean \"tools\""),
        (
            "must_cover: {tools: [ride.bok]}\n",
            r"suite.yaml:6\): tool 'ride.bok' is unknown; did you mean \"ride.book\"",
        ),
    ],
)
def test_a_wrong_card_is_said_with_its_place(tmp_path: Path, card: str, error: str) -> None:
    """The suite.yaml itself."""
    with pytest.raises(DataError, match=error):
        read_suite(write(tmp_path, "[]\n", card=card))


def test_a_wrong_line_of_json_is_said_with_its_place(tmp_path: Path) -> None:
    """What is no JSON, and what does not fit."""
    folder = write(tmp_path, f"- {{id: a, request: Drive., expected: {RIDE}}}\n")
    (folder / "cases.jsonl").write_text("\n{\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"cases \(.*cases.jsonl:2\): is not JSON"):
        read_suite(folder)
    (folder / "cases.jsonl").write_text('\n{"id": "b"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"case 'b' \(.*cases.jsonl:2\): request: is missing"):
        read_suite(folder)


def test_a_folder_without_a_suite_is_refused(tmp_path: Path) -> None:
    """With the nearest neighbour, and with the file that is missing."""
    write(tmp_path / "golden", "[]\n")
    with pytest.raises(DataError, match=r"holds no suite.yaml; did you mean \"golden\""):
        read_suites(tmp_path / "goldn")
    (tmp_path / "golden" / "tools.jsonl").unlink()
    with pytest.raises(DataError, match=r"suite.yaml:5\): tools: file .* is missing"):
        read_suites(tmp_path / "golden")


def test_the_suites_of_this_project_can_be_read() -> None:
    """Each kind of suite is there, with about thirty cases."""
    suites = read_suites(ROOT / "suites" / "first_tools")

    assert {"golden", "scenario", "regression", "adversarial", "abstention"} == {suite.card.kind for suite in suites}
    assert 31 == len(build_suite(ROOT / "suites" / "first_tools").test)
