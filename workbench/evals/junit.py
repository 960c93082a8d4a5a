"""A run as JUnit XML: what a build server shows of tests.

Source of the format: Jenkins' xUnit plugin, junit-10.xsd, which names the elements, their order and attributes.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from typing import NamedTuple

from workbench.core import INAPPLICABLE, Episode, Finding, Line, Report, Run, Score, Verdict, short
from workbench.evals.table import number
from workbench.evals.worst import Attempt, attempt
from workbench.safety import Redactor, environment_secrets

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may have. Source: XML 1.0, production 2."""


class _Outcome(NamedTuple):
    """What a test case shows beside its name."""

    kind: str
    """"failure", "error", "skipped"; empty for one that passed."""
    sort: str = ""
    reason: str = ""


_PASSED = _Outcome("")


class _Test(NamedTuple):
    name: str
    outcome: _Outcome
    milliseconds: float = 0.0
    shown: str = ""
    """What stands in its output."""


def junit_xml(run: Run, report: Report, verdict: Verdict | None = None) -> str:
    """A suite for the gate, one for each metric with a test for each episode, one for the costs.

    A score of 1 passes and a lower one is a failure with its reason; what is unscored is skipped with its reason,
    unless something other than the agent broke the episode, which is an error. A rule that did not pass is a
    failure, unmeasured or not: silence is not a pass. Texts are redacted; the same input gives the same bytes.
    """
    redactor = Redactor(environment_secrets())
    episodes = {attempt(episode): episode for episode in run.episodes}
    root = ET.Element("testsuites", name=_clean(redactor, report.agent))
    if verdict is not None:
        _add(root, redactor, "gate", [_rule(finding) for finding in verdict.findings], _gate(verdict))
    for metric in run.header.metrics:
        tests = [_test(score, episodes) for score in run.scores if score.metric == metric]
        line = report.line(metric)
        _add(root, redactor, metric, tests, [*_rests_on(run, report), *(_figures(line) if line else ())])
    costs = [line for line in report.lines if line.kind == "cost"]
    _add(root, redactor, "costs", [_cost(line) for line in costs], _rests_on(run, report))
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add(
    root: ET.Element, redactor: Redactor, name: str, tests: list[_Test], properties: Iterable[tuple[str, str]]
) -> None:
    counts = {kind: sum(test.outcome.kind == kind for test in tests) for kind in ("failure", "error", "skipped")}
    attributes = {
        "name": _clean(redactor, name),
        "tests": str(len(tests)),
        "failures": str(counts["failure"]),
        "errors": str(counts["error"]),
        "skipped": str(counts["skipped"]),
        "time": _seconds(sum(test.milliseconds for test in tests)),
    }
    suite = ET.SubElement(root, "testsuite", attributes)
    held = ET.SubElement(suite, "properties")
    for key, value in properties:
        ET.SubElement(held, "property", name=key, value=_clean(redactor, value))
    for test in tests:
        named = {"classname": attributes["name"], "name": _clean(redactor, test.name)}
        element = ET.SubElement(suite, "testcase", named, time=_seconds(test.milliseconds))
        if test.outcome.kind:
            reason = _clean(redactor, test.outcome.reason)
            sort = {"type": _clean(redactor, test.outcome.sort)} if test.outcome.sort else {}
            ET.SubElement(element, test.outcome.kind, {"message": reason.split("\n", 1)[0], **sort}).text = reason
        if test.shown:
            ET.SubElement(element, "system-out").text = _clean(redactor, test.shown)


def _test(score: Score, episodes: dict[Attempt, Episode]) -> _Test:
    episode = episodes[score.case_id, score.repeat]
    name = score.case_id if not score.repeat else f"{score.case_id}, repeat {score.repeat}"
    return _Test(name, _outcome(score, episode), episode.milliseconds)


def _outcome(score: Score, episode: Episode) -> _Outcome:
    failure = episode.failure
    if score.value == 1:
        return _PASSED
    if score.value is not None:
        reason = f"scored {number(score.value)}" + (f": {score.reason}" if score.reason else "")
        return _Outcome("failure", f"agent:{failure.kind}" if failure else "score", reason)
    if failure is not None and failure.blame != "agent" and not score.reason.startswith(INAPPLICABLE):
        return _Outcome("error", f"{failure.blame}:{failure.kind}", f"{score.reason}\n{failure.message}")
    return _Outcome("skipped", "", score.reason)


def _rule(finding: Finding) -> _Test:
    passed = finding.status == "PASS"
    outcome = _PASSED if passed else _Outcome("failure", finding.status, f"{finding.status}: {finding.reason}")
    return _Test(finding.rule, outcome, shown=finding.reason if passed else "")


def _cost(line: Line) -> _Test:
    if line.estimate is None:
        return _Test(line.name, _Outcome("skipped", "", line.reason or "unmeasured"))
    bounds = "" if line.low is None or line.high is None else f" [{number(line.low)}, {number(line.high)}]"
    return _Test(line.name, _PASSED, shown=f"{number(line.estimate)} {line.unit}{bounds}")


def _gate(verdict: Verdict) -> list[tuple[str, str]]:
    named = ("run", verdict.run_digest), ("champion_run", verdict.champion_run_digest), ("rules", verdict.rules_digest)
    return [("status", verdict.status), *((name, short(digest)) for name, digest in named)]


def _rests_on(run: Run, report: Report) -> list[tuple[str, str]]:
    """The label and the digests that every figure must carry."""
    named = ("run", report.run_digest), ("evalset", report.evalset_digest)
    label = [("source", run.header.source)] if run.header.source else []
    return [*label, ("split", report.split), *((name, short(digest)) for name, digest in named)]


def _figures(line: Line) -> list[tuple[str, str]]:
    values = ("estimate", line.estimate), ("low", line.low), ("high", line.high)
    measured = [(name, f"{value:.9g}") for name, value in values if value is not None]
    counts = ("cases", line.cases), ("unscored", line.unscored), ("clusters", line.clusters)
    return [*(measured or [("unmeasured", line.reason)]), *((name, str(count)) for name, count in counts)]


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3f}"


def _clean(redactor: Redactor, text: str) -> str:
    return _NOT_XML.sub("\ufffd", redactor.text(text))
