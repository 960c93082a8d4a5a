"""`workbench optimize`: what a person types, from the plan to the replay."""

import json
import re
import sqlite3
from pathlib import Path

import dspy
import pytest
from typer.testing import CliRunner, Result

from pipelines.order import Order
from pipelines.surroundings import Surroundings, surrounded
from workbench.cli.main import app
from workbench.core import Case, ExpectedCall, Meter, ToolSpec, read_records
from workbench.datasets import BfclData
from workbench.lab import Bench, Quiet, Workspace, read_experiment
from workbench.lms import CallStore, LMSpec, ScriptedEngine, scripted_lm

FIRST_TOOLS = Path(__file__).parents[2] / "data" / "first_tools"
CASES = tuple(read_records(FIRST_TOOLS / "cases.jsonl", Case))
TOOLS = tuple(read_records(FIRST_TOOLS / "tools.jsonl", ToolSpec))
SOLVED = {one.request: json.dumps(one.expected.example()) for one in CASES if isinstance(one.expected, ExpectedCall)}
EXPERIMENT = """
question: Do solved examples help?
data: {train: 24, val: 10, test: 16, abstention: 0.2}
agent: {index: {retriever: bm25}, layout: documented}
optimize: {using: [nearest_demos, random_search], space: {demos: [0, 1, 2]}, budget: {calls: 24}}
metrics: [task_success]
gate:
  - {metric: task_success, at_least: 0.5}
seed: 7
"""


class Notes(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        """Keeps it."""
        self.said.append(text)


class Desk:
    """A terminal, an experiment and a model that knows what it was shown."""

    def __init__(self, folder: Path) -> None:
        self.file, self.workspace = folder / "small.yaml", folder / "work"
        self.file.write_text(EXPERIMENT)
        self.engine = ScriptedEngine(self._answer)
        self.notes = Notes()

    def type(self, *words: str) -> Result:
        """Type `workbench optimize …` on the experiment; each time as a new process would."""
        order = Order(path=str(self.file), workspace=str(self.workspace))
        bench = Bench(read_experiment(self.file), Workspace(self.workspace, self.notes), connect=self.connect)
        bench.data = BfclData(cases=CASES, tools=TOOLS, offered={}, skipped=())
        verb, *rest = words
        target = [] if verb in ("show", "front") else [str(self.file)]
        with surrounded(Surroundings(connect=self.connect, benches={order: bench})):
            return CliRunner().invoke(
                app, ["optimize", verb, *target, *rest, "--workspace", str(self.workspace)], catch_exceptions=False
            )

    def connect(self, spec: LMSpec, *, store: CallStore | None = None, meter: Meter | None = None) -> dspy.LM:
        """The scripted model, under the name of the one it stands in for."""
        return scripted_lm(self.engine, spec=spec, store=store, meter=meter)

    def _answer(self, prompt: str) -> str:
        request = prompt.rpartition("Request: ")[2].partition("\nArguments:")[0]
        return SOLVED.get(request, "{}") if prompt.count("\nArguments:\n{") else "{}"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty workspace."""
    return Desk(tmp_path)


def test_a_plan_shows_intervals_and_what_stops_it_and_asks_nobody(desk: Desk) -> None:
    """A table, the reasons, and the command that begins."""
    result = desk.type("plan")
    data = json.loads(desk.type("plan", "--json").stdout)

    assert (0, 0) == (result.exit_code, desk.engine.calls)
    assert "what stops it first: calls in 100%" in result.stdout
    assert "copro: no; instructions are written by a model" in result.stdout
    assert f"next: uv run workbench optimize run {desk.file} --workspace {desk.workspace}\n" in result.stdout
    assert ["start", "nearest_demos", "random_search"] == [line["name"] for line in data["lines"] if line["cost"]]
    assert 24 == data["total"]["calls"]["high"]


def test_a_search_ends_with_a_table_and_what_to_type_next(desk: Desk) -> None:
    """The best trial, what stopped it, and how to go on; the same command does nothing again."""
    result = desk.type("run")
    again = desk.type("run", "--json")

    assert (0, 18) == (result.exit_code, desk.engine.calls)
    assert " best " in result.stdout
    assert "stopped: budget: had no room for 3 of the candidates" in result.stdout
    assert f"next:  uv run workbench run {desk.file} --workspace {desk.workspace}" in result.stdout
    assert (
        f"more:  uv run workbench optimize resume {desk.file} --workspace {desk.workspace} --calls 48" in result.stdout
    )
    assert 18 == json.loads(again.stdout)["outcome"]["spent"]["calls"]


def test_a_search_is_resumed_shown_and_replayed(desk: Desk) -> None:
    """Nothing is paid twice, each search is shown, and the replay finds the same winner."""
    desk.type("run")
    resumed = desk.type("resume", "--calls", "100")
    shown, asked = json.loads(desk.type("show", "small", "--json").stdout), desk.engine.calls
    replayed = desk.type("replay")

    assert (0, 0) == (resumed.exit_code, replayed.exit_code)
    assert [{"calls": 24}, {"calls": 100}] == [
        {name: limit for name, limit in one["begun"]["budget"].items() if limit is not None} for one in shown
    ]
    assert asked == desk.engine.calls
    assert "no model asked" in replayed.stdout
    with sqlite3.connect(desk.workspace / "calls.db") as db:
        keys = [key for (key,) in db.execute("SELECT key FROM ledger WHERE NOT cached")]
    assert len(keys) == len(set(keys)) == asked


def test_a_replay_that_differs_ends_with_1(desk: Desk) -> None:
    """And says what."""
    desk.type("run")
    with sqlite3.connect(desk.workspace / "calls.db") as db:
        longest = "SELECT response FROM answers ORDER BY length(response) DESC LIMIT 1"
        db.execute("UPDATE answers SET response = ?", db.execute(longest).fetchone())
    result = desk.type("replay")

    assert 1 == result.exit_code
    assert "is not as recorded\n" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("resume", "--calls", "100"), "experiment 'small': has no search in"),
        (("replay",), "experiment 'small': has no search that is done"),
        (("show",), "holds no search; type: workbench optimize run EXPERIMENT"),
    ],
    ids=("resume", "replay", "show"),
)
def test_what_is_not_there_ends_with_2(words: tuple[str, ...], message: str, desk: Desk) -> None:
    """And with one line that says what to do."""
    result = desk.type(*words)

    assert (2, "") == (result.exit_code, result.stdout)
    assert message in result.stderr.splitlines()[-1]


def test_an_unknown_name_gets_the_nearest_known_one(desk: Desk) -> None:
    """As everywhere."""
    desk.type("run")
    result = desk.type("show", "smal")

    assert 2 == result.exit_code
    assert 'is not there; did you mean "small"?' in result.stderr


def test_the_trials_of_a_running_search_are_said_as_they_end(desk: Desk) -> None:
    """Best so far with its interval, spent and left, who is alive, how many are out, and what it will have taken."""
    desk.type("run")
    trial, best, spent = desk.notes.said[:3]

    assert re.fullmatch(r"trial 0 start: 0\.\d+ .*on 10 of 10 cases, \d+ tokens a case \(as it begins\)", trial)
    assert re.fullmatch(r"  best so far 0\.\d+ .*\(trial 0\); 1 tried on all cases, 0 dropped", best)
    assert re.fullmatch(r"  spent \d+ calls, .*; left \d+ calls; in the end (\d+ to )?24 calls, .* minutes", spent)
    desk.type("resume", "--calls", "60")  # with 24 the race is called off before its first look
    alive = next(line for line in desk.notes.said if " alive after " in line)
    standing = r"  random_search: \d of 3 alive after \d+ of 10 cases, \d dropped: [0-9a-f]{12} \d\.\d{3} \(.*demos"
    assert re.match(standing, alive)


def test_a_front_and_an_explanation_come_from_the_last_search(desk: Desk, tmp_path: Path) -> None:
    """The front needs no model; an explanation asks only for variants that the search did not try, within a budget."""
    desk.type("run")
    asked = desk.engine.calls
    front = desk.type("front", "--json")
    drawn = desk.type("front", "small.yaml", "--plot", str(tmp_path / "front.png"))
    explained = desk.type("explain", "--json")

    assert {"on", "perhaps", "off"} >= {point["standing"] for point in json.loads(front.stdout)["points"]}
    assert "task_success" in drawn.stdout
    assert b"PNG" == (tmp_path / "front.png").read_bytes()[1:4]
    found = json.loads(explained.stdout)
    assert found["gain"]["difference"] > 0
    assert "demos" in {effect["edit"] for effect in found["effects"]}
    assert asked <= desk.engine.calls <= asked + 24
    assert 2 == CliRunner().invoke(app, ["optimize", "front", "smal", "--workspace", str(desk.workspace)]).exit_code
