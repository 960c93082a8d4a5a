"""A run of an experiment goes into MLflow's review queue: its winner and its baseline."""

import shutil
from pathlib import Path

import pytest
from rehearsal import Rehearsal, bench_in, judge

from workbench.core import DataError
from workbench.evals import ReviewRequest
from workbench.lab.release import track
from workbench.lab.reviewing import draw_sample, send_queue
from workbench.tracking import open_store


def test_winner_and_baseline_can_be_reviewed_in_mlflow(folder: Path, tracking_template: Path) -> None:
    """Each in a queue of its own, with as many traces as were drawn; before it is tracked it can't."""
    bench = bench_in(folder, Rehearsal())
    shutil.copytree(tracking_template, bench.workspace.folder, dirs_exist_ok=True)
    folders = judge(bench)
    workspace, request = bench.workspace.folder, ReviewRequest(metric="task_success", count=5, seed=1)
    for stage in (folders.winner, folders.baseline):
        draw_sample(workspace, stage.name, request)
    with pytest.raises(DataError, match="is not in MLflow"):
        send_queue(workspace, folders.winner.name, queue="early")

    track(bench, folders)
    stages = (folders.winner, folders.baseline)
    queues = [send_queue(workspace, stage.name, queue=stage.name) for stage in stages]
    bench.store.close()

    rows = open_store(workspace).rows
    traces = [
        {item.item_id for item in rows.list_review_queue_items(queue)}  # type: ignore[no-untyped-call]
        for queue in queues
    ]
    assert [5, 5] == [*map(len, traces)]
    assert not traces[0] & traces[1]
