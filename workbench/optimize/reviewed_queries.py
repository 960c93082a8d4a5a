"""Judgments out of reviewed runs: what was found when people called the answer right."""

from collections.abc import Sequence

from workbench.core import Step
from workbench.evals import Decision, ReviewItem
from workbench.retrieval import Judgment


def judge_reviewed(items: Sequence[ReviewItem], decisions: Sequence[Decision]) -> tuple[Judgment, ...]:
    """One judgment for each case with an episode that reviewers decided is right, by case id.

    Relevant are the documents that such an episode was handed: the answer was right with them, though not each of
    them need have helped, so this is a weaker word than an expert's. What nobody's right answer was handed is not
    judged at all. Episodes that handed none, and undecided or wrong ones, say nothing.
    """
    right = {(one.case_id, one.repeat) for one in decisions if one.opinion == "right"}
    requests: dict[str, str] = {}
    relevant: dict[str, dict[str, int]] = {}
    for item in sorted(items, key=lambda one: one.key):
        handed = [doc_id for step in item.steps for doc_id in _handed(step)]
        if item.key in right and handed and item.request:
            requests[item.case_id] = item.request
            relevant.setdefault(item.case_id, {}).update(dict.fromkeys(handed, 1))
    return tuple(
        Judgment(query_id=case_id, query=requests[case_id], relevant=grades, source="review")
        for case_id, grades in relevant.items()
    )


def _handed(step: Step) -> list[str]:
    """The ids of documents that a retriever's step gave."""
    documents = step.outputs.get("documents") if step.kind == "retriever" else None
    return [one for one in documents if isinstance(one, str)] if isinstance(documents, list) else []
