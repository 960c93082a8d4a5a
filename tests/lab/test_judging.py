"""A proposal is a run: what a model wrote goes through MLflow's review queue and comes back as judgments."""

import shutil
from pathlib import Path

from workbench.core import Corpus, Document
from workbench.evals import Review
from workbench.evals.ragas_queries import WrittenQuery
from workbench.lab.judging import confirm, judge_written, propose
from workbench.lab.reviewing import send_queue, take_reviews
from workbench.lab.suite_run import track_suite
from workbench.lab.workspace import Workspace
from workbench.tracking import open_store

CORPUS = Corpus(name="c", documents=tuple(Document(doc_id=f"d{at}", text=f"text {at}") for at in range(4)))
WRITTEN = tuple(WrittenQuery(query=f"What is {at}?", answer=f"{at}", doc_id=f"d{at}") for at in range(3))


def test_written_queries_go_through_the_queue(tmp_path: Path, tracking_template: Path) -> None:
    """As many traces as were drawn; what two reviewers differ on stays open, what they reject is out."""
    shutil.copytree(tracking_template, tmp_path, dirs_exist_ok=True)
    stored, _path = propose(tmp_path, CORPUS, judge_written(WRITTEN), by="questions by x", sample=3, seed=1)
    track_suite(Workspace(tmp_path), stored)
    queue = send_queue(tmp_path, stored.name, queue="look")
    says = (("d0", "ann", "right"), ("d1", "ann", "right"), ("d1", "bob", "wrong"), ("d2", "bob", "wrong"))
    reviews = [
        Review(run_digest=stored.run.digest, case_id=f"written:{name}", reviewer=who, opinion=opinion)
        for name, who, opinion in says
    ]
    take_reviews(tmp_path, stored.name, reviews)
    found, decided = confirm(tmp_path, stored.name), confirm(tmp_path, stored.name, adjudicator="ann")

    assert 3 == len(open_store(tmp_path).rows.list_review_queue_items(queue))  # type: ignore[no-untyped-call]
    assert (["What is 0?"], 1, 1) == ([one.query for one in found.judgments], found.rejected, found.undecided)
    assert ["written:d0", "written:d1"] == [one.query_id for one in decided.judgments]
    assert all(one.confirmed and one.source == "written" for one in decided.judgments)
