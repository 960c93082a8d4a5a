"""Which candidates are on the front, which are surely not, and what cannot be told."""

import math
import random

import numpy as np
import pytest
from optuna._hypervolume import compute_hypervolume

from workbench.agents import AgentSpec
from workbench.core import Case, Episode, ExpectedAnswer, OptimizeError, Prediction, Run, Usage
from workbench.evals import EvaluationRequest, evaluate, summarize
from workbench.optimize.front import Front, hypervolume, pareto_front, render_front
from workbench.optimize.trial import Trial

CASES = tuple(
    Case(case_id=f"c-{n:02}", request=str(n), expected=ExpectedAnswer(answers=("yes",)), cluster=f"c-{n}")
    for n in range(40)
)


def run_of(name: str, right: int, tokens: int, *, first: int = 0) -> Run:
    """An agent that is right on `right` of 40 cases from the first on, and takes about that many tokens for each."""

    def answer(request: str) -> Prediction:
        return Prediction(answer="yes" if first <= int(request) < first + right else "no")

    request = EvaluationRequest(
        agent=name, agent_digest=name, evalset_digest="", split="val", metrics=("task_success",), workers=1
    )
    run = evaluate(answer, CASES, request=request)
    spent = [Usage(calls=1, prompt_tokens=tokens + n % 3, model_milliseconds=5.0) for n in range(len(CASES))]
    episodes: tuple[Episode, ...] = tuple(
        episode.model_copy(update={"usage": usage}) for episode, usage in zip(run.episodes, spent, strict=True)
    )
    return run.model_copy(update={"episodes": episodes})


def trial_of(number: int, run: Run, *, complete: bool = True) -> Trial:
    """A trial with that run's report."""
    return Trial(
        number=number,
        origin="made",
        changes={"demos": f"0 → {number}"} if number else {},
        spec=AgentSpec(demos=min(number, 16)),
        program_digest="",
        agent_digest=run.header.agent,
        report=summarize(run),
        score=None,
        scored=40,
        cases=40,
        complete=complete,
        tokens=0.0,
        model_seconds=0.0,
    )


def front_of(*runs: Run, paired: bool = False) -> Front:
    """The front of agents with these runs."""
    trials = [trial_of(number, run) for number, run in enumerate(runs)]
    return pareto_front(trials, runs=dict(enumerate(runs)) if paired else None)


def standings(found: Front) -> dict[int, str]:
    """Each trial's standing."""
    return {point.trial: point.standing for point in found.points}


def test_what_is_surely_worse_in_all_is_off() -> None:
    """Far fewer right, far more tokens, the same time; the one that beats it is named."""
    found = front_of(run_of("good", 38, 100), run_of("bad", 4, 900))

    assert {0: "on", 1: "off"} == standings(found)
    assert [(0,)] == [point.beaten_by for point in found.points if point.trial == 1]


def test_a_trade_is_on_the_front_on_both_sides() -> None:
    """Cheaper and worse, better and dearer."""
    assert {0: "on", 1: "on"} == standings(front_of(run_of("cheap", 10, 100), run_of("good", 38, 900)))


@pytest.mark.parametrize(("paired", "expected"), [(False, "perhaps"), (True, "off")])
def test_pairs_tell_what_separate_intervals_cannot(paired: bool, expected: str) -> None:
    """Right on ten more of the same cases: by itself 18 of 40 and 28 of 40 overlap, case by case they don't."""
    found = front_of(run_of("better", 28, 100), run_of("worse", 18, 900), paired=paired)

    assert (expected, paired) == (standings(found)[1], found.paired)


def test_one_case_more_is_not_sure_even_in_pairs() -> None:
    """A single case is no evidence, whatever it costs."""
    found = front_of(run_of("better", 20, 100), run_of("worse", 19, 900), paired=True)

    assert {0: "on", 1: "perhaps"} == standings(found)


def test_equal_trials_do_not_beat_each_other() -> None:
    """Nothing is better anywhere."""
    assert {0: "on", 1: "on"} == standings(front_of(run_of("a", 20, 100), run_of("b", 20, 100), paired=True))


def test_only_complete_trials_count_and_an_agent_once() -> None:
    """What was tried on a few cases has no place; the same agent again is the same point, with its last trial."""
    run = run_of("a", 20, 100)
    trials = [trial_of(0, run), trial_of(1, run), trial_of(2, run_of("b", 40, 1), complete=False)]

    assert [1] == [point.trial for point in pareto_front(trials).points]


def test_without_a_complete_trial_there_is_no_front() -> None:
    """With what to do."""
    with pytest.raises(OptimizeError, match="no candidate was tried on every validation case; raise the budget"):
        pareto_front([trial_of(0, run_of("a", 20, 100), complete=False)])


def test_an_unknown_goal_is_named_with_the_nearest() -> None:
    """And so is one that is not measured."""
    with pytest.raises(OptimizeError, match=r"goal 'token' is not in the report of trial 0; did you mean .*tokens"):
        pareto_front([trial_of(0, run_of("a", 20, 100))], goals=("task_success", "token"))


def test_unknown_prices_are_no_goal() -> None:
    """Unknown is not free."""
    run = run_of("a", 20, 100)
    priceless = tuple(one.model_copy(update={"usage": Usage(usd=None)}) for one in run.episodes)

    with pytest.raises(OptimizeError, match="goal 'usd' is unmeasured in trial 0: the price of a model is unknown"):
        pareto_front([trial_of(0, run.model_copy(update={"episodes": priceless}))], goals=("task_success", "usd"))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_hypervolume_is_that_of_optuna(dimensions: int) -> None:
    """Reference: optuna's own, over random points, some of them outside."""
    rng = random.Random(dimensions)
    for _ in range(30):
        points = [[rng.random() * 1.2 for _ in range(dimensions)] for _ in range(12)]
        inside = [[min(1.0, at) for at in point] for point in points if max(point) < 1.0] or [[1.0] * dimensions]
        expected = float(compute_hypervolume(np.array(inside), np.ones(dimensions)))
        assert math.isclose(expected, hypervolume(points, [1.0] * dimensions), abs_tol=1e-9)


def test_the_hypervolume_is_a_share_of_the_box() -> None:
    """Half the score at half the worst tokens and half the worst time is an eighth."""
    trials = [
        trial_of(number, run_of(name, 20, tokens)) for number, (name, tokens) in enumerate((("a", 99), ("b", 199)))
    ]

    found = pareto_front(trials, worst={"tokens": 2 * (99 + 39 / 40), "model_ms_p50": 10.0})
    assert math.isclose(0.125, found.hypervolume)


def test_without_a_reference_point_it_lies_a_tenth_beyond_the_dearest() -> None:
    """One trial alone leaves an eleventh of each cost, half of the score."""
    assert math.isclose(0.5 / 11 / 11, front_of(run_of("a", 20, 100)).hypervolume)


def test_the_front_in_words() -> None:
    """Cheapest first, the rule and the reference point below, what is surely beaten without its changes."""
    shown = render_front(front_of(run_of("start", 10, 100), run_of("bad", 4, 900), run_of("good", 38, 500)))

    assert shown.startswith("3 candidates: 2 on the front, 0 perhaps, 1 off\n")
    assert "2      demos 0 → 2" in shown
    assert "demos 0 → 1" not in shown
    assert "worthless are a score of 0, tokens 991, model_ms_p50 5.500" in shown
    assert all(len(line) <= 100 for line in shown.splitlines())
