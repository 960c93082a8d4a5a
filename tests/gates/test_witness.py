"""What is said of runs has to follow from them; what does not is named."""

import pytest

from workbench.core import Case, Episode, ExpectedAnswer, Prediction, Run, RunHeader, Score
from workbench.evals import metric, regrade, summarize
from workbench.gates import Presented, Rule, check, contradictions

CASES = tuple(
    Case(case_id=f"c{n}", request=f"{n}?", expected=ExpectedAnswer(answers=("yes",)), cluster=f"c{n}") for n in range(8)
)
RULES = (Rule(metric="answer_exact", better_than="old"),)


def run_of(agent: str, right: int) -> Run:
    """A run of eight cases, the first `right` of them answered rightly."""
    bare = Run(
        header=RunHeader(agent=agent, agent_digest=agent, evalset_digest="v1", split="test", metrics=()),
        clusters={case.case_id: case.cluster for case in CASES},
        tags={case.case_id: () for case in CASES},
        episodes=tuple(
            Episode(case_id=case.case_id, prediction=Prediction(answer="yes" if n < right else "no"), milliseconds=1)
            for n, case in enumerate(CASES)
        ),
        scores=(),
    )
    return regrade(bare, CASES, [metric("answer_exact")])


def present(challenger: Run, champion: Run) -> Presented:
    """Runs with the verdict and the report that follow from them."""
    verdict = check(RULES, challenger=challenger, champion=champion, seed=1)
    report = summarize(challenger)
    return Presented(rules=RULES, challenger=challenger, champion=champion, verdict=verdict, report=report)


@pytest.fixture
def honest() -> Presented:
    """Everything as it is."""
    return present(run_of("new", 8), run_of("old", 1))


def words(presented: Presented, version: str = "v1") -> str:
    return "\n".join(alarm.what for alarm in contradictions(presented, CASES, evalset_digest=version))


def test_what_follows_is_not_contradicted(honest: Presented) -> None:
    """An honest release raises nothing."""
    assert "" == words(honest)


def test_an_edited_verdict_is_seen(honest: Presented) -> None:
    """Any field of it."""
    edited = honest.verdict.model_copy(update={"status": "FAIL"})

    assert "what follows is another one: PASS (they differ in status)" in words(
        honest.model_copy(update={"verdict": edited})
    )


def test_an_edited_report_is_seen(honest: Presented) -> None:
    """The page a lead reads is computed once more."""
    assert honest.report is not None
    line = honest.report.lines[0].model_copy(update={"estimate": 0.5})
    report = honest.report.model_copy(update={"lines": (line, *honest.report.lines[1:])})

    assert "the report is not the one that follows" in words(honest.model_copy(update={"report": report}))


def test_edited_scores_are_seen_though_everything_fits_them() -> None:
    """Graders that are code grade again."""
    low = run_of("new", 2)
    raised = low.model_copy(update={"scores": tuple(s.model_copy(update={"value": 1.0}) for s in low.scores)})

    assert (
        "has 6 scores that its graders do not give, for instance answer_exact of case 'c2': 1.0 and not 0.0"
        in words(present(raised, run_of("old", 1)))
    )


def test_a_missing_score_is_seen() -> None:
    """Failures can't be left out."""
    run = run_of("new", 4)
    fewer = run.model_copy(update={"scores": run.scores[:6]})

    assert "has 6 scores and not the 8" in words(present(fewer, run_of("old", 1)))


def test_a_score_twice_is_seen() -> None:
    """Successes can't be counted twice."""
    run = run_of("new", 4)
    more = run.model_copy(update={"scores": (*run.scores, run.scores[0])})

    assert "has a score twice" in words(present(more, run_of("old", 1)))


def test_a_stale_run_is_seen(honest: Presented) -> None:
    """The suite has moved on."""
    assert "evaluate anew" in words(honest, version="v2")


def test_missing_cases_are_seen() -> None:
    """Both runs leave out the case that hurts."""

    def without(run: Run) -> Run:
        return run.model_copy(
            update={
                "clusters": {key: run.clusters[key] for key in list(run.clusters)[:7]},
                "tags": {key: () for key in list(run.tags)[:7]},
                "episodes": run.episodes[:7],
                "scores": tuple(Score(**score.model_dump()) for score in run.scores[:7]),
            }
        )

    assert "did not try 1 of 8 cases, for instance 'c7'" in words(
        present(without(run_of("new", 7)), without(run_of("old", 1)))
    )
