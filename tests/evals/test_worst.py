"""What a person reads first: the agent's failures, then its lowest scores."""

from collections.abc import Callable

from workbench.core import Case, ExpectedCall, Failure, Run, Score, ToolSpec
from workbench.evals.worst import worst, worst_first

LIMIT = Failure(blame="agent", kind="StepLimit", message="8 steps")
DOWN = Failure(blame="infrastructure", kind="LMError", message="no answer")
MakeRun = Callable[..., Run]


def ids(run: Run, count: int) -> list[str]:
    return [one.episode.case_id for one in worst(run, count)]


def test_the_agents_failures_come_first_then_the_lowest_scores(make_run: MakeRun) -> None:
    """Ties by case id; a failure comes first even where a score is as low."""
    run = make_run([0.5, 0.0, 0.25, 0.0, 0.25], failures=[None, None, None, LIMIT, None])

    assert ["c3", "c1", "c2", "c4", "c0"] == ids(run, 9)
    assert ["c3", "c1"] == ids(run, 2)


def test_what_is_right_or_broken_by_others_is_not_among_the_worst(make_run: MakeRun) -> None:
    """It says nothing against the agent; all episodes are in the order of reading, unscored ones last."""
    run = make_run([1.0, None, 0.5, None, 0.0, 0.25], failures=[None, DOWN, None, None, DOWN, LIMIT])

    assert ["c5", "c2"] == ids(run, 9)
    assert ["c5", "c4", "c1", "c2", "c0", "c3"] == [episode.case_id for episode in worst_first(run)]


def test_the_mean_is_over_the_scored_metrics_of_one_attempt(make_run: MakeRun) -> None:
    """Each repeat is an episode of its own."""
    run = make_run([0.5])
    again = run.episodes[0].model_copy(update={"repeat": 1})
    scores = (
        *run.scores,
        Score(case_id="c0", metric="n", value=1.0),
        Score(case_id="c0", metric="o", reason="does not apply: nothing to judge"),
        Score(case_id="c0", repeat=1, metric="m", value=0.0, reason="wrong city"),
    )
    found = worst(run.model_copy(update={"episodes": (*run.episodes, again), "scores": scores}), 5)

    assert [("c0", 1, 0.0, 1), ("c0", 0, 0.75, 3)] == [
        (one.episode.case_id, one.episode.repeat, one.mean, len(one.scores)) for one in found
    ]


def test_cases_add_what_was_asked_and_expected(make_run: MakeRun) -> None:
    """Without the tool's schema, which says nothing of what went wrong."""
    tool = ToolSpec(name="ride", description="Books a ride", parameters={"type": "object"})
    expected = ExpectedCall(tool=tool, arguments={"to": ["Rome"]})
    case = Case(case_id="c0", request="To Rome", expected=expected, cluster="c0")
    found = worst(make_run([0.0, 0.0]), 2, cases=[case])

    assert ("To Rome", {"kind": "call", "tool": {"name": "ride"}, "arguments": {"to": ["Rome"]}}, ("even",)) == (
        found[0].request,
        found[0].expected,
        found[0].tags,
    )
    assert ("", None) == (found[1].request, found[1].expected)


def test_the_order_of_the_run_does_not_matter(make_run: MakeRun) -> None:
    """Same episodes, same list."""
    run = make_run([0.5, 0.0, 0.25, 0.0])
    turned = run.model_copy(update={"episodes": run.episodes[::-1], "scores": run.scores[::-1]})

    assert worst(run, 3) == worst(turned, 3)
