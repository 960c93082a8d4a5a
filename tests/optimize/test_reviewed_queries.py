"""Only what a right answer was handed counts as relevant."""

from workbench.core import Step
from workbench.evals import Decision, ReviewItem
from workbench.optimize.reviewed_queries import judge_reviewed


def item(case_id: str, repeat: int, *documents: str) -> ReviewItem:
    """An episode whose retriever found some documents."""
    step = Step(
        name="retrieve",
        kind="retriever",
        inputs={"query": case_id},
        outputs={"documents": list(documents)},
        start_milliseconds=0,
        milliseconds=1,
    )
    return ReviewItem(
        run_digest="r",
        agent="a",
        case_id=case_id,
        repeat=repeat,
        request=f"What of {case_id}?",
        answer="x",
        scores={},
        steps=(step,),
        stratum="right",
        chance=1.0,
    )


def decided(case_id: str, repeat: int, opinion: str) -> Decision:
    """What the reviewers came to."""
    return Decision.model_validate(
        {
            "run_digest": "r",
            "case_id": case_id,
            "repeat": repeat,
            "opinion": opinion,
            "how": "one reviewer",
            "reviewers": ("meg",),
        }
    )


def test_right_answers_judge_what_they_were_handed() -> None:
    """Repeats of a case add up; wrong and open ones, and those that were handed nothing, say nothing."""
    items = [item("b", 0, "d1"), item("a", 1, "d3"), item("a", 0, "d1", "d2"), item("c", 0, "d9"), item("e", 0)]
    decisions = [decided("a", 0, "right"), decided("a", 1, "right"), decided("b", 0, "wrong"), decided("e", 0, "right")]
    found = judge_reviewed(items, [*decisions, decided("c", 0, "unsure")])

    assert [("a", {"d1": 1, "d2": 1, "d3": 1})] == [(one.query_id, one.relevant) for one in found]
    assert [("What of a?", "review", True)] == [(one.query, one.source, one.confirmed) for one in found]
