"""A run as SARIF: what code hosts show beside the code as findings.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0, errata 01.
"""

import json
from collections.abc import Iterable

from pydantic import JsonValue

from workbench.core import Finding, Run, Score, Verdict, digest_json, short
from workbench.evals.table import number
from workbench.evals.worst import Worst, attempt, worst
from workbench.safety import Redactor, environment_secrets

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
Object = dict[str, JsonValue]


def sarif(run: Run, verdict: Verdict | None = None, *, count: int = 20) -> str:
    """The gate's rules and the metrics as rules; what did not pass, and the `count` worst episodes, as results.

    A rule that failed is an error, one without a decision a warning: neither is a pass. An episode is a warning of
    the metric by which it is worst, ties by the order of metrics, and points to its line of the run's
    episodes.jsonl; a rule points to the run's header.json. Texts are redacted; the same input gives the same bytes.
    """
    redactor = Redactor(environment_secrets())
    findings = verdict.findings if verdict else ()
    listed = [*map(_gate_rule, findings), *(_metric_rule(run, name) for name in run.header.metrics)]
    rules = {str(rule["id"]): rule for rule in listed}
    places = {name: place for place, name in enumerate(rules)}
    lines = {attempt(episode): line for line, episode in enumerate(run.episodes, start=1)}
    results = [_finding(finding) for finding in findings if finding.status != "PASS"]
    results += [_episode(one, run.header.metrics, lines[attempt(one.episode)]) for one in worst(run, count)]
    for result in results:
        result["ruleIndex"] = places[str(result["ruleId"])]
    driver: Object = {"name": "workbench", "rules": list(rules.values())}
    about: Object = {
        "tool": {"driver": driver},
        "originalUriBaseIds": {"RUN": {"description": {"text": "The folder that the run was written to."}}},
        "results": list(results),
        "columnKind": "unicodeCodePoints",
        "properties": _properties(run, verdict),
    }
    log: Object = {"$schema": SCHEMA, "version": "2.1.0", "runs": [about]}
    return json.dumps(_clean(redactor, log), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _clean(redactor: Redactor, value: JsonValue) -> JsonValue:
    """With every text redacted; the names of fields are the format's and stay."""
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, list):
        return [_clean(redactor, item) for item in value]
    return {name: _clean(redactor, item) for name, item in value.items()} if isinstance(value, dict) else value


def _gate_rule(finding: Finding) -> Object:
    return {"id": _gate_id(finding), "name": "GateRule", "shortDescription": {"text": finding.rule}}


def _gate_id(finding: Finding) -> str:
    return f"gate/{finding.rule}"


def _metric_rule(run: Run, name: str) -> Object:
    rule: Object = {"id": f"metric/{name}", "name": "Metric", "shortDescription": {"text": f"metric {name}"}}
    grader = run.header.graders.get(name)
    return rule | {"properties": {"grader": grader}} if grader else rule


def _finding(finding: Finding) -> Object:
    known = {"estimate": finding.estimate, "low": finding.low, "high": finding.high}
    return {
        "ruleId": _gate_id(finding),
        "level": "error" if finding.status == "FAIL" else "warning",
        "message": {"text": f"{finding.status}: {finding.rule}: {finding.reason}"},
        "locations": [_location("header.json", 1, name=finding.metric, kind="metric")],
        "partialFingerprints": {"workbench/v1": digest_json(["gate", finding.rule])},
        "properties": {name: value for name, value in known.items() if value is not None},
    }


def _episode(one: Worst, metrics: Iterable[str], line: int) -> Object:
    order = {name: place for place, name in enumerate(metrics)}
    decisive = min(one.scores, key=lambda score: (2.0 if score.value is None else score.value, order[score.metric]))
    case_id, repeat = attempt(one.episode)
    name = case_id if not repeat else f"{case_id}, repeat {repeat}"
    return {
        "ruleId": f"metric/{decisive.metric}",
        "level": "warning",
        "message": {"text": f"case {name}: {'; '.join(map(_words, one.scores))}"},
        "locations": [_location("episodes.jsonl", line, name=name, kind="case")],
        "partialFingerprints": {"workbench/v1": digest_json([case_id, repeat, decisive.metric])},
        "properties": {"tags": list(dict.fromkeys(one.tags)), "mean": one.mean},
    }


def _location(file: str, line: int, *, name: str, kind: str) -> Object:
    """A line of a file of the run: hosts show no result without one."""
    where: Object = {"artifactLocation": {"uri": file, "uriBaseId": "RUN"}, "region": {"startLine": line}}
    return {"physicalLocation": where, "logicalLocations": [{"name": name, "kind": kind}]}


def _words(score: Score) -> str:
    value = "unscored" if score.value is None else number(score.value)
    return f"{score.metric} {value}" + (f" ({score.reason})" if score.reason else "")


def _properties(run: Run, verdict: Verdict | None) -> Object:
    header = run.header
    found: Object = {"agent": header.agent, "split": header.split, "source": header.source}
    digests = {"run": run.digest, "agentDigest": header.agent_digest, "evalset": header.evalset_digest}
    found |= {name: short(digest) for name, digest in digests.items()}
    return found | {"verdict": verdict.status} if verdict else found
