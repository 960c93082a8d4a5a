"""The self-test: a package proves, offline and without a language model, that it is what it was."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import jsonschema_rs
from pydantic import JsonValue

from workbench.agents import Agent
from workbench.core import CassetteMiss, ChecksumMismatch, Record, WorkbenchError, boundary
from workbench.core import PackageError as Failed
from workbench.lms import Recording, replayed_lm
from workbench.packaging.contents import Contents, check_contents, read_contents
from workbench.packaging.contract import PROBLEMS, RunView, problem, to_result
from workbench.packaging.keys import refuse_secrets
from workbench.packaging.load import describe, load_package, read_spec
from workbench.packaging.manifest import MANIFEST, render_manifest
from workbench.packaging.parts import REFERENCE, LiveReference, RecordedCase, Regression
from workbench.packaging.regression import replay
from workbench.retrieval import LiveIndex, digest_generation

MOST_SECONDS = 30.0
"""A self-test that takes longer is not one that anybody runs."""


class TestLine(Record):
    """One thing that was tried."""

    __test__ = False  # pytest would take it for a test class

    name: str
    passed: bool
    detail: str
    milliseconds: float


def self_test(folder: Path) -> tuple[TestLine, ...]:
    """Try everything that can be tried of a package without a language model or a network.

    Later lines are left out where an earlier one makes them meaningless: a package whose files are not what its
    manifest says is not opened.
    """
    contents: list[Contents] = []

    def files() -> str:
        contents.append(read_contents(folder))
        return f"{len(contents[0].files)} files are what the manifest says"

    first = _line("files", files)
    return (first, *_opened(folder, contents[0])) if first.passed else (first,)


def _opened(folder: Path, contents: Contents) -> Iterator[TestLine]:
    agents: list[Agent] = []
    yield _line("schemas", partial(_schemas, contents))
    yield _line("secrets", partial(_secrets, contents))
    yield _line("tampering", partial(_tampering, contents))
    yield _line("agent", partial(_agent, folder, contents, agents))
    for agent in agents:
        yield _line("recorded cases", partial(_recorded, contents, agent))
        yield _line("unknown question", partial(_unknown, agent))


def _line(name: str, probe: Callable[[], str]) -> TestLine:
    started = time.perf_counter()
    try:
        with boundary(Failed, f"self-test {name!r}"):
            detail, passed = probe(), True
    except WorkbenchError as error:
        detail, passed = str(error), False
    milliseconds = (time.perf_counter() - started) * 1000
    return TestLine(name=name, passed=passed, detail=detail, milliseconds=milliseconds)


def _schemas(contents: Contents) -> str:
    asked, ended, failed = (_schema(contents, f"contract/{kind}.schema.json") for kind in ("input", "output", "error"))
    cases = contents.records("evals/regression.jsonl", RecordedCase)
    for recorded in cases:
        jsonschema_rs.validate(asked, {"request": recorded.case.request})
        result = to_result(recorded.prediction, shown=read_spec(contents).k)
        run = RunView(run_id="0", status="succeeded", result=result, package=contents.digest, trace_id="0" * 32)
        jsonschema_rs.validate(ended, run.model_dump(mode="json"))
    for code in PROBLEMS:
        jsonschema_rs.validate(failed, problem(code, "0" * 32).model_dump(mode="json"))
    return f"3 schemas are sound; {len(cases)} recorded requests and answers and {len(PROBLEMS)} problems fit"


def _schema(contents: Contents, path: str) -> dict[str, JsonValue]:
    schema = contents.json(path)
    if not isinstance(schema, dict) or not jsonschema_rs.meta.is_valid(schema):
        raise Failed(f"file {path!r} is not a JSON Schema")
    return schema


def _secrets(contents: Contents) -> str:
    refuse_secrets(contents.name, contents.files, describe(contents).secrets)
    return "no value of a secret of this environment is inside"


def _tampering(contents: Contents) -> str:
    """Change one byte of each file, drop each file, add one: all of it must be refused, naming the file."""
    files = {**contents.files, MANIFEST: render_manifest(contents.files)}
    for path, data in files.items():
        middle = len(data) // 2
        changed = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else b"x"
        _refused(contents.name, {**files, path: changed}, path)
        _refused(contents.name, {name: kept for name, kept in files.items() if name != path}, path)
    _refused(contents.name, {**files, "program/added.json": b"{}"}, "program/added.json")
    return f"{2 * len(files) + 1} changes were refused"


def _refused(name: str, files: dict[str, bytes], path: str) -> None:
    try:
        check_contents(name, files)
    except ChecksumMismatch as refusal:
        if path == MANIFEST or repr(path) in str(refusal):
            return
        raise Failed(f"a change of file {path!r} was refused as {str(refusal)!r}") from refusal
    raise Failed(f"a change of file {path!r} was not noticed")


def _agent(folder: Path, contents: Contents, agents: list[Agent]) -> str:
    recordings = contents.records("evals/cassettes.jsonl", Recording)
    package = load_package(folder, lm=replayed_lm(read_spec(contents).lm, recordings))
    agents.append(package.agent)
    return f"verdict {package.info.verdict.status}{' with an override' if package.info.override else ''}"


def _recorded(contents: Contents, agent: Agent) -> str:
    cases = contents.records("evals/regression.jsonl", RecordedCase)
    if len(cases) != contents.record("evals/regression.json", Regression).kept:
        raise Failed(f"{len(cases)} cases are recorded, not as many as were kept")
    replayed = replay(agent, cases, most_seconds=MOST_SECONDS)
    if _has_moved(contents, agent):
        return f"{replayed.same} of {len(cases)} cases are answered as recorded; the live index has changed since then"
    if replayed.different or replayed.unrecorded:
        found = (*replayed.different, *replayed.unrecorded)
        raise Failed(f"{len(found)} of {len(cases)} cases are answered otherwise than recorded, first {found[0]!r}")
    if replayed.left:
        raise Failed(f"{replayed.left} of {len(cases)} cases were not reached in {MOST_SECONDS:g} s; record fewer")
    return f"{replayed.same} cases are answered as recorded"


def _has_moved(contents: Contents, agent: Agent) -> bool:
    """Whether it searches a live index that no longer holds what the cases were recorded on."""
    if not isinstance(agent.index, LiveIndex):
        return False
    return digest_generation(agent.index.current()) != contents.record(REFERENCE, LiveReference).content


def _unknown(agent: Agent) -> str:
    try:
        with agent.speaking():
            agent.lm("a question that nobody recorded")
    except CassetteMiss:
        return "a question that was never recorded is refused"
    raise Failed("a question that was never recorded was answered")
