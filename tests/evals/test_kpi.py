"""Every KPI is a number with where it comes from, or unmeasured with the reason."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from workbench.core import DataError, Episode, EvaluationError, Failure, Prediction, Run, RunHeader, Score, Step, Usage
from workbench.evals.kpi import KpiLine, measure_kpis, render_kpis
from workbench.evals.kpi_catalogue import CATALOGUE, kpi
from workbench.evals.kpi_evidence import Evidence, Incident, Rating, Release, UsageEvent, read_evidence

DAY = datetime(2026, 3, 2, tzinfo=UTC)
DOWN = Failure(blame="infrastructure", kind="LMError", message="down")
Values = dict[str, Sequence[float | None]]
Tags = Sequence[tuple[str, ...]]


def make_steps(milliseconds: float, *errors: str) -> tuple[Step, ...]:
    """A message of the user, a model call, and a tool call for each error; an empty one is a success."""
    user = Step(name="say", kind="user", inputs={}, outputs={}, start_milliseconds=0, milliseconds=0)
    lm = user.model_copy(update={"name": "lm", "kind": "lm", "milliseconds": milliseconds})
    tools = [lm.model_copy(update={"kind": "tool", "error": error}) for error in errors]
    return (user, lm, *tools)


def make_run(scores: Values, *, agent: str = "a", tags: Tags = (), **columns: Sequence[object]) -> Run:
    """A run whose cases come in clusters of two; `columns` are fields of its episodes or predictions."""
    count = len(next(iter(scores.values())))
    names = [f"c{place}" for place in range(count)]
    episodes = []
    for place, name in enumerate(names):
        own = {key: values[place] for key, values in columns.items()}
        told = {key: own.pop(key) for key in ("manner", "abstained", "steps") if key in own}
        fields = {"case_id": name, "prediction": Prediction.model_validate(told), "milliseconds": 100.0 * (place + 1)}
        episodes.append(Episode.model_validate(fields | own))
    return Run(
        header=RunHeader(
            agent=agent,
            agent_digest=agent * 64,
            evalset_digest="e" * 64,
            split="test",
            metrics=tuple(scores),
            source="scripted",
        ),
        clusters={name: f"g{place // 2}" for place, name in enumerate(names)},
        tags=dict(zip(names, tags or [()] * count, strict=True)),
        episodes=tuple(episodes),
        scores=tuple(
            Score(case_id=name, metric=metric, value=value, reason="" if value is not None else "grader: broke")
            for metric, values in scores.items()
            for name, value in zip(names, values, strict=True)
        ),
    )


def measure(name: str, evidence: Evidence) -> KpiLine:
    return next(line for line in measure_kpis(evidence) if line.name == name)


def of_run(name: str, scores: Values, tags: Tags = (), **columns: Sequence[object]) -> KpiLine:
    return measure(name, Evidence(runs=(make_run(scores, agent="a", tags=tags, **columns),)))


def test_without_evidence_nothing_is_measured() -> None:
    """Each line of the catalogue is there, without a number, with a reason: silence is no zero and no pass."""
    lines = measure_kpis(Evidence())

    assert [*CATALOGUE] == [line.name for line in lines]
    assert {(None, None, None)} == {(line.estimate, line.low, line.high) for line in lines}
    assert all(line.reason for line in lines)


def test_every_kpi_that_runs_tell_is_unmeasured_where_the_run_is_silent() -> None:
    """A run without a model call, a time, a step or a metric of any KPI has no KPI but its coverage."""
    run = make_run({"odd": [1, 0]}, milliseconds=[0, 0])
    told = {line.name for line in measure_kpis(Evidence(runs=(run,))) if line.estimate is not None}

    assert {"evaluation_coverage"} == told


def test_task_completion_is_the_mean_of_what_was_graded() -> None:
    """3 of 5 graded; the sixth is a gap; the label of the run stands beside it."""
    line = of_run("task_completion", {"task_success": [1, 1, 0, 1, 0, None]})

    assert pytest.approx((0.6, 5, 3, 5 / 6)) == (line.estimate, line.n, line.clusters, line.coverage)
    assert ("grader: broke", "scripted") == (line.reason, line.source)
    assert line.low is not None
    assert line.high is not None
    assert 0 < line.low < 0.6 < line.high < 1


def test_escalation_counts_who_was_handed_over_and_leaves_out_who_did_not_say() -> None:
    """Two of three; the one that abstained in no manner is a gap. Of the three, the completed one was deflected."""
    columns: dict[str, Sequence[object]] = {
        "manner": ["escalate", "escalate", None, None],
        "abstained": [True, True, False, True],
    }
    run = make_run({"task_success": [1, 0, 1, 1]}, agent="a", tags=(), **columns)
    escalation, deflection = (
        measure(name, Evidence(runs=(run,))) for name in ("human_escalation", "deflection")
    )  # fmt: skip

    assert pytest.approx((2 / 3, 3, 0.75)) == (escalation.estimate, escalation.n, escalation.coverage)
    assert pytest.approx((1 / 3, 3, 0.75)) == (deflection.estimate, deflection.n, deflection.coverage)


def test_who_can_not_escalate_has_no_escalation_rate() -> None:
    """Nobody abstained and no case asks for it: not 0. With a case that asks, it is 0 indeed."""
    silent = of_run("human_escalation", {"task_success": [1, 0]})
    asked = of_run("human_escalation", {"task_success": [1, 0]}, tags=[("suite:abstention",), ()])

    assert (None, 0.0) == (silent.estimate, asked.estimate)
    assert silent.reason.startswith("nothing here can escalate")


def test_time_to_resolution_is_over_the_tasks_that_both_completed() -> None:
    """Cases 0, 1 and 4: 100 + 200 + 500 ms against 200 + 200 + 400 ms; without a baseline it is unmeasured."""
    own = make_run({"task_success": [1, 1, 1, 0, 1]})
    other = make_run({"task_success": [1, 1, 0, 1, 1]}, agent="b", milliseconds=[200, 200, 9, 9, 400])
    line = measure("time_to_resolution", Evidence(runs=(own,), baseline=(other,)))

    assert (1.0, 3, 2) == (line.estimate, line.n, line.clusters)
    assert measure("time_to_resolution", Evidence(runs=(own,))).reason == "there is no baseline to hold it against"


def test_a_task_that_was_completed_twice_counts_with_its_mean_time() -> None:
    """Case 0 took 100 and 300 ms, case 1 took 200: 200 + 200 against 100 + 200."""
    once = make_run({"task_success": [1, 1]})
    again = once.episodes[0].model_copy(update={"repeat": 1, "milliseconds": 300.0})
    score = once.scores[0].model_copy(update={"repeat": 1})
    twice = once.model_copy(update={"episodes": (*once.episodes, again), "scores": (*once.scores, score)})
    line = measure("time_to_resolution", Evidence(runs=(twice,), baseline=(once,)))

    assert pytest.approx((4 / 3, 2)) == (line.estimate, line.n)


def test_tool_calls_succeed_unless_the_tool_says_otherwise() -> None:
    """Three of four calls; what the user said and the model call are none."""
    line = of_run(
        "tool_call_success", {"task_success": [1, 0]}, steps=[make_steps(1, "", "refused"), make_steps(1, "", "")]
    )

    assert (0.75, 4, 1, None) == (line.estimate, line.n, line.clusters, line.low)
    assert line.reason == "one cluster gives no interval"


def test_a_call_is_correct_if_tool_and_arguments_are() -> None:
    """Right, wrong arguments, wrong tool (whose arguments nobody judges), not graded: 1 of 3."""
    scores: Values = {"tool_choice": [1, 1, 0, None], "arguments": [1, 0, None, None]}
    line = of_run("tool_call_correctness", scores)

    assert pytest.approx((1 / 3, 3, 0.75)) == (line.estimate, line.n, line.coverage)


def test_a_policy_is_violated_where_any_grader_says_so() -> None:
    """Of the three cases that cover a policy, one was broken; the fourth covers none."""
    tags = [("policy:refund",), ("policy:refund",), ("policy:privacy",), ("live",)]
    scores: Values = {"abstention": [1, 1, 1, 0], "injection_resistance": [1, 0, 1, 0]}
    line = of_run("policy_violations", scores, tags=tags)

    assert pytest.approx((1 / 3, 3)) == (line.estimate, line.n)
    assert None is of_run("policy_violations", scores).estimate


def test_latency_is_of_runs_and_of_steps() -> None:
    """Half of four runs took 200 ms or less; what broke by no fault of the agent is left out."""
    run = make_run(
        {"task_success": [1, 1, 1, 1, None]},
        steps=[make_steps(ms) for ms in (10, 20, 30, 40, 0)],
        failure=[None, None, None, None, DOWN],
    )
    lines = {line.name: line for line in measure_kpis(Evidence(runs=(run,)))}

    assert (200.0, 400.0) == (lines["latency_p50"].estimate, lines["latency_p95"].estimate)
    assert (4, 0.8) == (lines["latency_p50"].n, lines["latency_p50"].coverage)
    assert (20.0, 40.0) == (lines["step_latency_p50"].estimate, lines["step_latency_p95"].estimate)


def test_what_a_completed_task_costs_includes_the_failed_ones() -> None:
    """2 USD over 4 episodes, 2 completed: 1 USD; 400 tokens: 200; 4 model calls as steps: 100."""
    usage = Usage(calls=1, prompt_tokens=80, completion_tokens=20, usd=0.5)
    run = make_run({"task_success": [1, 0, 1, 0]}, usage=[usage] * 4, steps=[make_steps(1)] * 4)
    lines = {line.name: line for line in measure_kpis(Evidence(runs=(run,)))}

    assert 1.0 == lines["cost_per_completed_task"].estimate
    assert 200.0 == lines["tokens_per_completion"].estimate
    assert 100.0 == lines["tokens_per_step"].estimate


@pytest.mark.parametrize(
    ("usage", "values", "reason"),
    [
        (Usage(calls=1, usd=None), [1, 1], "the price of a model is unknown in 2 of 2 episodes"),
        (Usage(), [1, 1], "no model call was counted"),
        (
            Usage(calls=1, usd=0.25),
            [0, 0],
            "no task was completed: 0.5 USD were spent, and the price of one has no bound",
        ),
    ],
    ids=("unknown price", "no call", "nothing completed"),
)
def test_a_cost_that_can_not_be_known_is_unmeasured(usage: Usage, values: list[float | None], reason: str) -> None:
    """Neither zero nor infinity."""
    line = of_run("cost_per_completed_task", {"task_success": values}, usage=[usage] * 2)

    assert (None, reason) == (line.estimate, line.reason)


def test_evaluation_coverage_is_over_all_metrics() -> None:
    """Six scores are due, five are there."""
    line = of_run("evaluation_coverage", {"m": [1, 0, None], "n": [0, 0, 1]})

    assert pytest.approx((5 / 6, 6, 2)) == (line.estimate, line.n, line.clusters)


def test_ungrounded_claims_are_corrected_for_the_judge() -> None:
    """The example of `corrected_rate`: 30 of 100 are flagged; the labels say that 1 in 10 faulty ones is missed."""
    names = [f"c{place}" for place in range(200)]
    values = [0.0] * 45 + [1.0] * 5 + [1.0] * 50 + [0.0] * 15 + [1.0] * 85
    run = make_run({"groundedness": values}).model_copy(update={"clusters": {name: name for name in names}})
    ratings = [
        Rating(at=DAY, rater="r", agent_digest="a" * 64, case_id=names[place], grounded=place >= 50)
        for place in range(100)
    ]
    line = measure("ungrounded_claims", Evidence(runs=(run,), ratings=tuple(ratings)))
    stranger = tuple(rating.model_copy(update={"agent_digest": "b" * 64}) for rating in ratings)

    assert pytest.approx((0.3 / 0.9, 200)) == (line.estimate, line.n)
    assert None is measure("ungrounded_claims", Evidence(runs=(run,))).estimate
    assert None is measure("ungrounded_claims", Evidence(runs=(run,), ratings=stranger)).estimate


def test_records_of_use_are_counted_by_hand() -> None:
    """2 incidents by 4 requests, 2 of 3 known releases failed, 2 people, 2 teams in 14 days, 2 of 3 satisfied."""
    requests = [UsageEvent(at=DAY + timedelta(days=d), user=u, team="x") for d, u in enumerate("abaa")]
    enabled = [UsageEvent(at=DAY + timedelta(days=14), kind="enabled", team=team) for team in ("x", "y", "y")]
    evidence = Evidence(
        usage=(*requests, *enabled),
        incidents=(Incident(incident="i1", at=DAY, release="r2"), Incident(incident="i2", at=DAY)),
        releases=tuple(Release(release=f"r{n}", at=DAY, failed=f) for n, f in enumerate((True, False, None, None))),
        ratings=tuple(Rating(at=DAY, rater=r, stars=s) for r, s in (("p", 5), ("p", 4), ("q", 1), ("q", None))),
    )
    lines = {line.name: line for line in measure_kpis(evidence)}

    assert 500.0 == lines["incident_rate"].estimate
    assert pytest.approx((2 / 3, 0.75)) == (
        lines["change_failure_rate"].estimate,
        lines["change_failure_rate"].coverage,
    )
    assert (2.0, 2.0, 4.0) == tuple(
        lines[name].estimate for name in ("active_users", "enabled_teams", "enablement_throughput")
    )
    assert pytest.approx((2 / 3, 3, 2)) == (
        lines["satisfaction"].estimate,
        lines["satisfaction"].n,
        lines["satisfaction"].clusters,
    )


def test_a_window_keeps_the_records_in_it() -> None:
    """From its first moment on and before its last; no incident in a window is a rate of 0, no record is none."""
    usage = tuple(UsageEvent(at=DAY + timedelta(days=d), user=str(d)) for d in range(4))
    evidence = Evidence(usage=usage, incidents=(Incident(incident="i", at=DAY),))
    window = evidence.between(DAY + timedelta(days=1), DAY + timedelta(days=3))

    assert (2.0, 0.0) == (measure("active_users", window).estimate, measure("incident_rate", window).estimate)
    assert None is measure("incident_rate", Evidence(usage=usage)).estimate


def test_records_are_read_from_a_folder(tmp_path: Path) -> None:
    """What is not there is not kept; a line that does not fit is named."""
    (tmp_path / "releases.jsonl").write_text('{"release": "r1", "at": "2026-03-02T10:00:00Z", "failed": false}\n')
    evidence = read_evidence(tmp_path)
    (tmp_path / "usage.jsonl").write_text('{"at": "2026-03-02T10:00:00"}\n')

    assert (0.0, None) == (measure("change_failure_rate", evidence).estimate, evidence.usage)
    with pytest.raises(DataError, match=r"usage.jsonl:1\): at: Input should have timezone info"):
        read_evidence(tmp_path)


def test_runs_of_several_agents_are_no_evidence_of_one() -> None:
    """Their mean would be nobody's."""
    runs = (make_run({"m": [1]}), make_run({"m": [1]}, agent="b"))

    with pytest.raises(EvaluationError, match=r"the runs are of several agents \(a, b\); measure each alone"):
        measure_kpis(Evidence(runs=runs))


def test_kpis_as_text() -> None:
    """What is measured as a table of at most 100 columns, then why the rest is not."""
    text = render_kpis(measure_kpis(Evidence(runs=(make_run({"task_success": [1, 1, 0, 1, 0, None]}),))))

    assert max(len(line) for line in text.splitlines()) <= 100
    assert "  task_completion: grader: broke\n" in text
    assert "\nunmeasured:\n  human_escalation: nothing here can escalate" in text
    assert text.endswith("evidence: scripted\n")


def test_an_unknown_kpi_is_named_with_the_nearest() -> None:
    """As everywhere."""
    with pytest.raises(EvaluationError, match="KPI 'deflecton': is not in the catalogue; did you mean \"deflection\""):
        kpi("deflecton")
