"""How good is an agent, and how sure are we?

One function to call: `evaluate(agent, cases, request=…)` gives a `Run`; `summarize(run)` makes its `Report`,
`compare(champion, challenger, metric)` sets two runs side by side, `selfcheck(cases, metrics)` asks first
whether the cases can be trusted.

Why built so: a score lies in [0, 1] and higher is better; a cost keeps its unit and lower is better; they never
mix. Whose fault a failure is decides whether it scores low or not at all. Every estimate carries an interval
that counts clusters instead of cases, because cases that share a tool succeed and fail together. A metric is a
plain callable of a case and an episode, so a new one is a function and a name.
"""

from workbench.evals.agreement import Agreement, Decision, ReviewedRate, adjudicate, agree, reviewed_rate
from workbench.evals.calls import grade_call
from workbench.evals.comparison import check_comparable, compare
from workbench.evals.interval import smallest_effect
from workbench.evals.metric import INAPPLICABLE, METRICS, Metric, bind_metrics, metric
from workbench.evals.pass_k import PassRate, all_of, measure_pass, one_of, pass_at_k, pass_hat_k
from workbench.evals.ranking import ndcg_at, recall_at, reciprocal_rank
from workbench.evals.regrade import regrade
from workbench.evals.report import measure, summarize
from workbench.evals.review import Review, ReviewItem, ReviewRequest, check_reviews, sample_reviews
from workbench.evals.runner import Agent, EvaluationRequest, evaluate
from workbench.evals.sample import COSTS, Cost, Sample, draw
from workbench.evals.schema import json_schema, misfit
from workbench.evals.selfcheck import CheckLine, Contradiction, ideal, selfcheck
from workbench.evals.table import number, render_comparison, render_report, render_table, signed

__all__ = [
    "COSTS",
    "INAPPLICABLE",
    "METRICS",
    "Agent",
    "Agreement",
    "CheckLine",
    "Contradiction",
    "Cost",
    "Decision",
    "EvaluationRequest",
    "Metric",
    "PassRate",
    "Review",
    "ReviewItem",
    "ReviewRequest",
    "ReviewedRate",
    "Sample",
    "adjudicate",
    "agree",
    "all_of",
    "bind_metrics",
    "check_comparable",
    "check_reviews",
    "compare",
    "draw",
    "evaluate",
    "grade_call",
    "ideal",
    "json_schema",
    "measure",
    "measure_pass",
    "metric",
    "misfit",
    "ndcg_at",
    "number",
    "one_of",
    "pass_at_k",
    "pass_hat_k",
    "recall_at",
    "reciprocal_rank",
    "regrade",
    "render_comparison",
    "render_report",
    "render_table",
    "reviewed_rate",
    "sample_reviews",
    "selfcheck",
    "signed",
    "smallest_effect",
    "summarize",
]
