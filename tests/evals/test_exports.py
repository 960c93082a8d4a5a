"""What leaves for build servers and code hosts: JUnit XML and SARIF, whole, redacted, the same bytes again."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest
from pydantic import JsonValue

from workbench.core import Failure, Finding, Run, Score, Status, Verdict
from workbench.evals import summarize
from workbench.evals.junit import junit_xml
from workbench.evals.sarif import SCHEMA, sarif

LIMIT = Failure(blame="agent", kind="StepLimit", message="8 steps")
DOWN = Failure(blame="infrastructure", kind="LMError", message="no answer in 30 s")
MakeRun = Callable[..., Run]
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "testcase": {"skipped", "error", "failure", "system-out"},
}
ATTRIBUTES = {
    "testsuites": {"name"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
    "properties": set(),
    "system-out": set(),
}
"""Source of both: Jenkins' xUnit plugin, junit-10.xsd."""


@pytest.fixture
def run(make_run: MakeRun) -> Run:
    """Right, wrong, half right, failed by the agent, broken by the infrastructure, and nothing to judge."""
    failures = [None, None, None, LIMIT, DOWN, None]
    made = make_run([1.0, 0.0, 0.5, 0.0, None, None], failures=failures)
    reasons = (
        "",
        "wrong <city> & \x07bell",
        "",
        "agent: StepLimit",
        "infrastructure: LMError",
        "does not apply: other",
    )
    scores = tuple(s.model_copy(update={"reason": why}) for s, why in zip(made.scores, reasons, strict=True))
    header = made.header.model_copy(update={"source": "scripted", "graders": {"m": "9" * 64}})
    return made.model_copy(update={"scores": scores, "header": header})


def make_verdict(*statuses: Status) -> Verdict:
    """A rule for each status."""
    findings = tuple(
        Finding(
            rule=f"m at least 0.{place}",
            status=status,
            metric="m",
            estimate=None if status == "UNMEASURED" else 0.5,
            threshold=0.1,
            cases=4,
            clusters=4,
            reason=f"reason {place}",
        )
        for place, status in enumerate(statuses)
    )
    digests = ("agent_digest", "champion_digest", "run_digest", "champion_run_digest", "evalset_digest", "rules_digest")
    status = next((status for status in statuses if status != "PASS"), "PASS")
    return Verdict(status=status, findings=findings, seed=0, **dict.fromkeys(digests, "d" * 64))


def suites(text: str) -> dict[str, ET.Element]:
    return {str(suite.get("name")): suite for suite in ET.fromstring(text)}


def test_a_suite_for_each_metric_with_a_test_for_each_episode(run: Run) -> None:
    """Passed, failed with its reason, broken by others, skipped: the counts are those of the elements."""
    suite = suites(junit_xml(run, summarize(run)))["m"]
    outcomes = {case.get("name"): [child.tag for child in case] for case in suite.iter("testcase")}
    reasons = [child.get("message") for case in suite.iter("testcase") for child in case]
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")}

    assert {
        "c0": [],
        "c1": ["failure"],
        "c2": ["failure"],
        "c3": ["failure"],
        "c4": ["error"],
        "c5": ["skipped"],
    } == outcomes
    assert {"tests": "6", "failures": "3", "errors": "1", "skipped": "1", "time": "0.015"} == counts
    assert [
        "scored 0.000: wrong <city> & \ufffdbell",
        "scored 0.500",
        "scored 0.000: agent: StepLimit",
        "infrastructure: LMError",
        "does not apply: other",
    ] == reasons
    assert ["score", "score", "agent:StepLimit"] == [failure.get("type") for failure in suite.iter("failure")]
    assert "infrastructure: LMError\nno answer in 30 s" == next(suite.iter("error")).text


def test_a_suite_carries_figures_and_label(run: Run) -> None:
    """Estimate, bounds and how the figures came about; a cost that is unmeasured is skipped."""
    found = suites(junit_xml(run, summarize(run)))
    properties = {item.get("name"): item.get("value") for item in found["m"].iter("property")}
    costs = {case.get("name"): [child.tag for child in case] for case in found["costs"].iter("testcase")}

    assert ("scripted", "val", "0.375", "4", "1") == tuple(
        properties[name] for name in ("source", "split", "estimate", "cases", "unscored")
    )
    assert ["system-out"] == costs["tokens"]
    unpriced = tuple(e.model_copy(update={"usage": e.usage.model_copy(update={"usd": None})}) for e in run.episodes)
    unknown = run.model_copy(update={"episodes": unpriced})
    unmeasured = {case.get("name"): case for case in suites(junit_xml(unknown, summarize(unknown)))["costs"]}
    assert ["skipped"] == [child.tag for child in unmeasured["usd"]]


def test_only_a_rule_that_passed_is_a_test_that_passed(run: Run) -> None:
    """Unmeasured and inconclusive are failures: a build server lets skipped tests through."""
    verdict = make_verdict("PASS", "FAIL", "INCONCLUSIVE", "UNMEASURED")
    suite = suites(junit_xml(run, summarize(run), verdict))["gate"]

    assert ("4", "3", "0") == (suite.get("tests"), suite.get("failures"), suite.get("skipped"))
    assert ["FAIL", "INCONCLUSIVE", "UNMEASURED"] == [failure.get("type") for failure in suite.iter("failure")]
    assert "gate" not in suites(junit_xml(run, summarize(run)))


def test_the_xml_has_the_structure_that_servers_read(run: Run) -> None:
    """Known elements in their places, known attributes, properties first, counts that are numbers."""
    root = ET.fromstring(junit_xml(run, summarize(run), make_verdict("FAIL", "PASS")))

    assert "testsuites" == root.tag
    for element in root.iter():
        assert ATTRIBUTES[element.tag] == set(element.keys())
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
    for suite in root:
        assert ["properties"] == [child.tag for child in suite][:1]
        assert len(suite.findall("testcase")) == int(suite.get("tests", ""))
        assert 0 <= float(suite.get("time", ""))


def test_the_sarif_log_has_what_the_format_requires(run: Run) -> None:
    """Source: SARIF 2.1.0, sections 3.13, 3.14, 3.18, 3.19, 3.27; rules are unique and results point to theirs."""
    log = json.loads(sarif(run, make_verdict("PASS", "FAIL", "UNMEASURED")))
    (only,) = log["runs"]
    rules = only["tool"]["driver"]["rules"]

    assert (SCHEMA, "2.1.0", "workbench") == (log["$schema"], log["version"], only["tool"]["driver"]["name"])
    assert len(rules) == len({rule["id"] for rule in rules})
    for result in only["results"]:
        assert {"ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"} <= result.keys()
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning")
        assert result["message"]["text"]
        physical = result["locations"][0]["physicalLocation"]
        assert physical["artifactLocation"]["uriBaseId"] in only["originalUriBaseIds"]
        assert physical["region"]["startLine"] >= 1
    assert len(only["results"]) == len({json.dumps(result["partialFingerprints"]) for result in only["results"]})


def test_results_are_what_did_not_pass_and_the_worst_cases(run: Run) -> None:
    """A failed rule is an error, an open one a warning; a case points to its line of episodes.jsonl."""
    only = json.loads(sarif(run, make_verdict("PASS", "FAIL", "UNMEASURED"), count=2))["runs"][0]
    found = [(result["ruleId"], result["level"], line(result)) for result in only["results"]]

    assert [
        ("gate/m at least 0.1", "error", ("header.json", 1)),
        ("gate/m at least 0.2", "warning", ("header.json", 1)),
        ("metric/m", "warning", ("episodes.jsonl", 4)),
        ("metric/m", "warning", ("episodes.jsonl", 2)),
    ] == found
    assert "case c3: m 0.000 (agent: StepLimit)" == only["results"][2]["message"]["text"]
    assert "UNMEASURED: m at least 0.2: reason 2" == only["results"][1]["message"]["text"]
    assert ("scripted", "FAIL") == (only["properties"]["source"], only["properties"]["verdict"])


def line(result: dict[str, JsonValue]) -> tuple[str, int]:
    place = json.loads(json.dumps(result))["locations"][0]["physicalLocation"]
    return place["artifactLocation"]["uri"], place["region"]["startLine"]


def test_a_case_is_shown_under_the_metric_by_which_it_is_worst(run: Run) -> None:
    """A lower score of a later metric wins, and an unscored one never does."""
    header = run.header.model_copy(update={"metrics": ("l", "m", "n")})
    more = (
        Score(case_id="c2", metric="l", reason="grader: broke"),
        Score(case_id="c2", metric="n", value=0.25),
    )
    scored = run.model_copy(update={"header": header, "scores": (*run.scores, *more)})
    results = json.loads(sarif(scored))["runs"][0]["results"]

    assert {"c1": "metric/m", "c2": "metric/n", "c3": "metric/m"} == {
        result["locations"][0]["logicalLocations"][0]["name"]: result["ruleId"] for result in results
    }


@pytest.mark.parametrize("export", [sarif, lambda run, verdict: junit_xml(run, summarize(run), verdict)])
def test_what_leaves_is_redacted_and_the_same_bytes_again(
    run: Run, export: Callable[[Run, Verdict | None], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses, and values of this process's keys; a rule that is there twice is one."""
    monkeypatch.setenv("ACME_API_KEY", "canary-0123456789")
    leaky = run.scores[1].model_copy(update={"reason": "told jo@example.org canary-0123456789"})
    told = run.model_copy(update={"scores": (run.scores[0], leaky, *run.scores[2:])})
    verdict = make_verdict("FAIL")
    twice = verdict.model_copy(update={"findings": verdict.findings * 2})
    text = export(told, twice)

    assert "told [e-mail] [secret]" in text
    assert "canary" not in text
    assert text == export(Run.model_validate_json(told.model_dump_json()), twice)
