"""From runs to reports."""

from collections.abc import Callable

import pytest

from workbench.core import EvaluationError, Failure, Run, Usage
from workbench.evals import measure, render_report, summarize

DOWN = Failure(blame="infrastructure", kind="LMError", message="down")
LIMIT = Failure(blame="agent", kind="AgentError", message="step limit")


def test_a_small_run_is_summarized_as_by_hand(make_run: Callable[..., Run]) -> None:
    """Six cases in three clusters, one unscored: 3 of 5 right; the slice holds the cases with its tag."""
    run = make_run([1, 1, 0, 1, 0, None], ["a", "a", "b", "b", "c", "c"], failures=[None] * 4 + [LIMIT, DOWN])
    report = summarize(run)
    line = report.line("m")

    assert line is not None
    assert (0.6, 5, 1, 3, "infrastructure: down") == (
        line.estimate,
        line.cases,
        line.unscored,
        line.clusters,
        line.reason,
    )
    assert {"agent:AgentError": 1, "infrastructure:LMError": 1} == report.failures
    assert [("even", "m", 1 / 3, 3)] == [(s.tag, s.line.name, s.line.estimate, s.line.cases) for s in report.slices]
    assert (run.digest, "val") == (report.run_digest, report.split)


def test_costs_keep_their_units_and_leave_out_what_the_infrastructure_broke(make_run: Callable[..., Run]) -> None:
    """Tokens count whether the store answered or not; the broken episode costs nothing that means anything."""
    paid = Usage(calls=1, prompt_tokens=100, completion_tokens=20, usd=0.5, model_milliseconds=300)
    saved = Usage(cached_calls=2, saved_tokens=60, usd=0.0, model_milliseconds=100)
    run = make_run([1, 1, None], usages=[paid, saved, Usage()], failures=[None, None, DOWN])
    report = summarize(run)
    found = {
        line.name: (line.estimate, line.unit, line.cases, line.unscored) for line in report.lines if line.kind == "cost"
    }

    assert {
        "tokens": (90.0, "tokens", 2, 1),
        "lm_calls": (1.5, "calls", 2, 1),
        "usd": (0.25, "USD", 2, 1),
        "model_ms_p50": (100.0, "ms", 2, 1),
        "model_ms_p95": (300.0, "ms", 2, 1),
        "latency_ms_p50": (0.0, "ms", 2, 1),
        "latency_ms_p95": (1.0, "ms", 2, 1),
    } == found


def test_an_unknown_price_is_not_a_price_of_zero(make_run: Callable[..., Run]) -> None:
    """One unpriced call is enough: the mean over the others would look like the price of all."""
    line = measure(make_run([1, 1], usages=[Usage(usd=1.0), Usage(usd=None)]), "usd")

    assert (None, 0) == (line.estimate, line.cases)
    assert "the price of a model is unknown in 1 of 2 episodes" == line.reason


def test_a_case_without_a_value_by_nature_is_no_gap(make_run: Callable[..., Run]) -> None:
    """What a metric does not apply to is neither scored nor unscored."""
    run = make_run([1.0, None])
    reasons = ("", "does not apply: another tool was chosen")
    scores = [score.model_copy(update={"reason": reason}) for score, reason in zip(run.scores, reasons, strict=True)]
    line = measure(run.model_copy(update={"scores": tuple(scores)}), "m")

    assert (1, 0, 1.0) == (line.cases, line.unscored, line.coverage)


def test_a_metric_the_run_lacks_is_an_error(make_run: Callable[..., Run]) -> None:
    """With the nearest name."""
    with pytest.raises(EvaluationError, match="has no metric 'token'; did you mean \"tokens\""):
        measure(make_run([1.0]), "token")


def test_a_report_as_text(make_run: Callable[..., Run]) -> None:
    """Tables of at most 100 columns with numbers, reasons, failures; 3 of 5 with t = 2.776 is [0.131, 0.937]."""
    run = make_run([1, 1, 0, 1, 0, None], failures=[None] * 4 + [LIMIT, DOWN])
    text = render_report(summarize(run))

    assert max(len(line) for line in text.splitlines()) <= 100
    assert "m       0.600     0.131 - 0.937  1     5      1         5" in text
    assert "  unscored (all): infrastructure: down" in text
    assert "agent:AgentError        1" in text
    assert text == render_report(summarize(run))
