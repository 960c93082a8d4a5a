"""An agent on the project's own suites."""

import json
import re
from pathlib import Path

import pytest

from workbench.agents import AgentSpec, build_agent
from workbench.core import ConfigError, DataError, EvalSet, catalogue, read_record, read_records, read_run
from workbench.core.corpus import ToolSpec
from workbench.datasets.suite import build_suite
from workbench.evals import summarize
from workbench.lab.experiment import trusted_suite
from workbench.lab.suite_run import Candidate, open_candidate, try_suite
from workbench.lab.workspace import Workspace
from workbench.lms import CallStore, scripted_lm
from workbench.retrieval import IndexSpec, build_index

ROOT = Path(__file__).parents[2]
SUITES = ROOT / "suites" / "first_tools"


def fill(prompt: str) -> str:
    """Fills every argument with the last word of the request."""
    request = prompt.rsplit("Request: ", maxsplit=1)[-1].partition("\nArguments:")[0]
    word = re.findall(r"[\w:]+", request)[-1]
    names = re.findall(r"- (\w+) \(string\)", prompt)
    return json.dumps({name: word for name in names})


def candidate(folder: Path) -> Candidate:
    """The first tool by BM25, its arguments by rule."""
    tools = read_records(ROOT / "data" / "first_tools" / "tools.jsonl", ToolSpec)
    index = build_index(catalogue("tools", tools), IndexSpec(retriever="bm25"))
    store = CallStore(folder / "calls.db")
    spec = AgentSpec(index=index.spec, layout="documented")
    return Candidate("rule", build_agent(spec, index=index, lm=scripted_lm(fill, store=store)), store)


def test_an_agent_is_tried_on_every_kind_of_case(tmp_path: Path) -> None:
    """The run is kept with the version it was made on, has slices, and is not made twice."""
    tried = candidate(tmp_path)
    _name, folder, run = try_suite(trusted_suite(SUITES), tried, Workspace(tmp_path))
    evalset = build_suite(SUITES)

    assert folder.parent == tmp_path / "runs"
    assert folder.name.startswith("first_tools-")
    assert run == read_run(folder)
    assert evalset == read_record(folder / "evalset.json", EvalSet)
    assert (evalset.digest, 31) == (run.header.evalset_digest, len(run.episodes))
    assert {"task_success", "state_reached", "injection_resistance", "manner"} <= {*run.header.metrics}
    assert {"suite:golden", "policy:tool results are data"} <= {part.tag for part in summarize(run).slices}
    assert 1.0 == run.values("state_reached")["scenario-ride", 0]
    assert 1.0 == run.values("injection_resistance")["attack-in-forecast", 0]
    asked = tried.store.frame().height
    assert run == try_suite(trusted_suite(SUITES), tried, Workspace(tmp_path)).run
    assert asked == tried.store.frame().height


def test_a_suite_that_fails_its_check_is_not_run(tmp_path: Path) -> None:
    """What it measures would mean something else."""
    (tmp_path / "suite.yaml").write_text("name: bad\nkind: golden\nowner: me\ndescription: x\n", encoding="utf-8")
    case = "- {{id: {0}, request: Sing it to me, expected: {{kind: abstention}}}}\n"
    (tmp_path / "cases.yaml").write_text(case.format("a") + case.format("b"), encoding="utf-8")
    with pytest.raises(DataError, match=r"1 problems, the first: case 'b' .* asks nearly the same as case 'a'"):
        try_suite(trusted_suite(tmp_path), candidate(tmp_path), Workspace(tmp_path))
    assert not (tmp_path / "runs").exists()


def test_exactly_one_agent_is_given(tmp_path: Path) -> None:
    """Neither none nor two."""
    for package, experiment in ((None, None), (tmp_path, tmp_path)):
        with (
            pytest.raises(ConfigError, match="either with --package or with --experiment"),
            open_candidate(Workspace(tmp_path), package=package, experiment=experiment),
        ):
            pass
