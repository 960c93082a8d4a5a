"""The flows run the lab's stages in order, skip what is done, and retry only what may work on a second try."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
from prefect import flow
from small_experiment import Pupil, surround
from typer.testing import CliRunner

from pipelines.flows import build_evalset, build_index, run_experiment, staged
from pipelines.nightly import nightly, schedule
from pipelines.order import Order
from pipelines.outcomes import kept_outcome
from pipelines.surroundings import surrounded
from workbench.cli.main import app
from workbench.core import ConfigError
from workbench.lab import Quiet
from workbench.lab.outcome import Outcome

STAGES = ["index", "evalset", "baseline", "optimize", "winner", "gate", "track"]
OPEN = "at_least: 0.99"  # sixteen cases can't show it


class Watcher:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, bool]] = []

    def stage(self, name: str, *, skipped: bool) -> None:
        self.stages.append((name, skipped))

    def advance(self, done: int, total: int) -> None:
        assert 0 <= done <= total

    def note(self, text: str) -> None:
        assert text


def recorded(home: Path, query: str) -> set[tuple[str, ...]]:
    with sqlite3.connect(home / "prefect.db") as db:
        return set(db.execute(query))


@dataclass
class Finished:
    """An experiment that ran to its end."""

    folder: Path
    order: Order
    outcome: Outcome
    pupil: Pupil
    stages: list[tuple[str, bool]]


@pytest.fixture(scope="module")
def finished(prefect_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder, pupil, watcher = tmp_path_factory.mktemp("finished"), Pupil(), Watcher()
    order, around = surround(folder, OPEN, pupil, watcher)
    with surrounded(around):
        return Finished(folder, order, run_experiment(order), pupil, watcher.stages)


def test_a_whole_experiment_runs_once_and_is_found_again(finished):
    """The first run makes every stage, the second makes none and asks the model nothing; both end alike."""
    asked, watcher = finished.pupil.asked, Watcher()
    order, around = surround(finished.folder, OPEN, finished.pupil, watcher)
    with surrounded(around):
        again = run_experiment(order)

    assert [(name, False) for name in STAGES] == finished.stages
    assert [(name, True) for name in STAGES] == watcher.stages
    assert asked == finished.pupil.asked > 0
    assert finished.outcome.model_copy(update={"seconds": 0.0}) == again.model_copy(update={"seconds": 0.0})
    assert again == kept_outcome(Path(order.workspace)) == kept_outcome(Path(order.workspace), "small-seed7")


def test_nothing_is_promoted_without_a_pass(finished):
    """A better winner that the cases can't show to be good enough leaves no package."""
    outcome = finished.outcome

    assert (False, None, "INCONCLUSIVE") == (outcome.promoted, outcome.package, outcome.status)
    assert outcome.winner.line("task_success").estimate > outcome.baseline.line("task_success").estimate
    assert not (Path(finished.order.workspace) / "packages").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("report", "show"), 0, "nothing is promoted, registered or exported"),
        (("report", "show", "small"), 0, "task_success: winner minus baseline is +0."),
        (("report", "compare", "baseline-", "winner-"), 0, "task_success: winner minus baseline is +0."),
        (("report", "compare", "baseline-", "winer-"), 2, "is not there; known: baseline-"),
        (("report", "show", "smal"), 2, 'is not there; did you mean "small"?'),
        (("report", "html"), 0, "report.html"),
        (("gate", "show", "small"), 1, "INCONCLUSIVE  task_success at least 0.99"),
        (("runs", "list", "small"), 0, "winner"),
        (("calls", "show"), 0, "all"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_finished_experiment_can_be_read(finished, words, code, said):
    """Every command that reads a workspace finds what the experiment left there."""
    result = CliRunner().invoke(app, [*words, "--workspace", finished.order.workspace])

    assert code == result.exit_code
    assert said in result.output


def test_the_ledger_is_shown_whole(finished):
    """The sum over all stages is what the model was really asked."""
    result = CliRunner().invoke(app, ["calls", "show", "--json", "--workspace", finished.order.workspace])

    assert finished.pupil.asked == json.loads(result.stdout)[-1]["paid"]


def test_prefect_records_what_ran(prefect_home, tmp_path):
    """Each stage is a task with the stage's name, each flow stands in Prefect's database, with how it ended."""
    order, around = surround(tmp_path, OPEN, Pupil(), Quiet())
    with surrounded(around):
        build_index(order)
        with pytest.raises(ConfigError, match="is missing"):
            build_evalset(Order(path=str(tmp_path / "nowhere.yaml")))

    flows = "SELECT f.name, r.state_type FROM flow_run r JOIN flow f ON f.id = r.flow_id"
    assert {("build-index", "COMPLETED"), ("build-evalset", "FAILED")} <= recorded(prefect_home, flows)


@pytest.mark.usefixtures("prefect_home")
@pytest.mark.parametrize(("error", "tries"), [(OSError("the disk stumbled"), 2), (ConfigError("seed: is wrong"), 1)])
def test_only_infrastructure_is_tried_again(error, tries):
    """What a person has to put right fails at once; anything else gets another chance."""
    made = []

    def stage(bench: str) -> str:
        made.append(bench)
        if len(made) == 1:
            raise error
        return "done"

    @flow
    def one_stage() -> str:
        return staged(stage, "bench")()

    if tries == 1:
        with pytest.raises(ConfigError, match="seed: is wrong"):
            one_stage()
    else:
        assert "done" == one_stage()
    assert ["bench"] * tries == made


def test_a_bad_order_does_not_end_the_night(finished):
    """Each experiment of a night has its own end."""
    order, around = surround(finished.folder, OPEN, finished.pupil, Quiet())
    missing = Order(path="nowhere.yaml", workspace=order.workspace)
    with surrounded(around):
        state = nightly([missing, order], return_state=True)

    assert state.is_failed()
    assert ["Failed", "Completed"] == [one.name for one in state.result(raise_on_failure=False)]


def test_the_night_is_scheduled():
    """The deployment holds the orders as JSON and the hour as cron."""
    deployment = schedule([Order(path="experiments/tool_calling.yaml")], cron="0 4 * * *")

    assert "0 4 * * *" == deployment.schedules[0].schedule.cron
    expected = {"path": "experiments/tool_calling.yaml", "workspace": "mlruns", "seed": None, "mirror": None}
    assert [expected] == deployment.parameters["orders"]
