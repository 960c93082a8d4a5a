"""A search can be seen in MLflow while it runs, as a run for each candidate, and what was cut is taken up again."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow.entities import Run
from rehearsal import TEXT, Rehearsal, bench_in

from workbench.agents import Agent
from workbench.lab import Bench
from workbench.lab.live_log import LiveLog, in_mlflow
from workbench.lab.searching import found, run_search
from workbench.lab.watching import Watched, Watcher
from workbench.optimize import Standing, ranked
from workbench.tracking import open_store

SMALL = TEXT.replace("using: [tune_retrieval, random_search]", "using: [random_search]").replace("val: 12", "val: 18")


def runs_in(bench: Bench) -> tuple[Run, list[Run]]:
    """The execution's run, and those of its candidates."""
    client = open_store(bench.workspace.folder).client
    (place,) = [one for one in client.search_experiments() if one.name != "Default"]
    found = list(client.search_runs([place.experiment_id], max_results=1000))
    (parent,) = [run for run in found if run.data.tags["role"] == "execution"]
    return parent, [run for run in found if run.data.tags["role"] == "candidate"]


class Peeking(LiveLog):
    """Looks into the store after each look of a race, and may then die; and when a candidate begins."""

    seen: list[tuple[Standing, Run, list[Run]]]
    begun: list[tuple[str, list[Run]]]
    looks = 1000

    def begin(self, agent: Agent) -> None:
        """Wait until it is written, and read it."""
        super().begin(agent)
        self._written()
        self.begun.append((agent.digest, runs_in(self.bench)[1]))

    def race(self, standing: Standing) -> None:
        """Wait until it is written, and read it."""
        super().race(standing)
        self._written()
        self.seen.append((standing, *runs_in(self.bench)))
        if len(self.seen) == self.looks:
            os.kill(os.getpid(), signal.SIGKILL)

    def _written(self) -> None:
        for done in self._work:
            done.result()


@pytest.fixture
def place(cases: Path, tracking_template: Path, tmp_path: Path) -> Path:
    """A folder with a fresh tracking store."""
    shutil.copytree(tracking_template, tmp_path / "work")
    return tmp_path


Seen = list[tuple[Standing, Run, list[Run]]]
Begun = list[tuple[str, list[Run]]]


def watched_bench(folder: Path, looks: int) -> tuple[Bench, Seen, Begun]:
    """A bench whose store is read at each look; a process that dies there closes nothing."""
    bench, seen, begun = bench_in(folder, Rehearsal(), text=SMALL), Seen(), Begun()

    @contextmanager
    def peek(bench: Bench, watched: Watched) -> Iterator[Watcher]:
        log = Peeking(bench, watched)
        log.seen, log.begun, log.looks = seen, begun, looks
        yield log
        log.close("FINISHED")

    bench.watch = peek
    return bench, seen, begun


def test_while_a_race_runs_its_candidates_are_runs_that_go_on(place: Path) -> None:
    """Who is alive is RUNNING with the score so far; the execution tells the best with its interval, spent and left."""
    bench, seen, begun = watched_bench(place, 1000)
    run_search(bench)
    standing, parent, candidates = next(one for one in seen if one[0].dropped and one[0].alive)
    running = {run.data.tags["agent_digest"]: run for run in candidates if run.info.status == "RUNNING"}

    assert {one.candidate: one.score for one in standing.alive} == {
        name: run.data.metrics["score"] for name, run in running.items()
    }
    assert {one.candidate: one.reason for one in standing.dropped} == {
        run.data.tags["agent_digest"]: run.data.tags["dropped"] for run in candidates if "dropped" in run.data.tags
    }
    shown = parent.data.metrics
    assert ("RUNNING", len(standing.alive)) == (parent.info.status, shown["search/alive"])
    assert shown["search/best_low"] <= shown["search/best"] <= shown["search/best_high"]
    assert 200 == shown["search/spent_calls"] + shown["search/left_calls"]
    for agent, there in begun:
        (run,) = (one for one in there if one.data.tags["agent_digest"] == agent)
        assert ("RUNNING", 1) == (run.info.status, run.data.metrics["alive"])
    assert {run.data.tags["agent_digest"] for run in runs_in(bench)[1]} == {agent for agent, _ in begun}


def test_in_the_end_each_candidate_is_one_run_that_has_ended(place: Path) -> None:
    """With its state, its last score and what it cost; the prompt differs from the start's as its diff says."""
    bench = bench_in(place, Rehearsal(), text=SMALL)
    bench.watch = in_mlflow
    outcome = found(run_search(bench))
    parent, candidates = runs_in(bench)
    last = {trial.agent_digest: trial for trial in outcome.trials}
    client = open_store(bench.workspace.folder).client
    diffs = [Path(client.download_artifacts(run.info.run_id, "prompt.diff")).read_text() for run in candidates]

    assert {name: trial.score for name, trial in last.items()} == {
        run.data.tags["agent_digest"]: run.data.metrics["score"] for run in candidates
    }
    assert all(pytest.approx(run.data.metrics["score"]) == run.data.metrics["val/task_success"] for run in candidates)
    assert (len(last), {"FINISHED"}) == (len(candidates), {run.info.status for run in [parent, *candidates]})
    assert {"complete", "dropped"} == {run.data.tags["state"] for run in candidates}
    assert {0.0} == {run.data.metrics["alive"] for run in candidates}
    assert outcome.best.score == parent.data.metrics["search/best"] == ranked(outcome.trials)[0].score
    assert outcome.spent.calls <= sum(run.data.metrics["ledger_calls"] for run in candidates)
    assert "" in diffs
    assert any("+" in diff for diff in diffs)


def test_what_was_killed_is_continued_and_not_doubled(place: Path) -> None:
    """The same runs, their history begun anew, and none is left RUNNING."""
    root = Path(__file__).parents[2]
    dead = subprocess.run(
        [sys.executable, __file__, str(place)], env={**os.environ, "PYTHONPATH": str(root)}, check=False
    )
    bench = bench_in(place, Rehearsal(), text=SMALL)
    _, before = runs_in(bench)
    left = {run.info.run_id for run in before if run.info.status == "RUNNING"}
    bench.watch = in_mlflow
    run_search(bench)
    parent, after = runs_in(bench)
    client = open_store(bench.workspace.folder).client
    steps = [point.step for point in client.get_metric_history(parent.info.run_id, "search/trials")]

    assert -signal.SIGKILL == dead.returncode
    assert left
    assert left <= {run.info.run_id for run in after}
    assert len(after) == len({run.data.tags["agent_digest"] for run in after})
    assert {"FINISHED"} == {run.info.status for run in [parent, *after]}
    assert steps == sorted(steps)


def test_a_store_that_refuses_does_not_end_a_search(place: Path) -> None:
    """It is noted, and the search goes on to its end."""
    (place / "work" / "mlflow.db").write_bytes(b"no database")
    bench = bench_in(place, Rehearsal(), text=SMALL)
    bench.watch = in_mlflow

    assert found(run_search(bench)).best.complete


if __name__ == "__main__":
    run_search(watched_bench(Path(sys.argv[1]), 1)[0])
