"""How good is an agent, and how sure are we?

One function to call: `evaluate(agent, cases, request=…)` gives a `Run`; `summarize(run)` makes its `Report`,
`compare(champion, challenger, metric)` sets two runs side by side, `measure_kpis(evidence)` says what a lead asks for,
`selfcheck(cases, metrics)` and `check_suites` ask first whether the cases can be trusted.

Why built so: a score lies in [0, 1] and higher is better; a cost keeps its unit and lower is better; they never
mix. Whose fault a failure is decides whether it scores low or not at all. Every estimate carries an interval
that counts clusters instead of cases, because cases that share a tool succeed and fail together. A metric is a
plain callable of a case and an episode, so a new one is a function and a name; its digest names whatever decides its
scores, and runs that were graded by different digests are never compared but graded anew. A judge that is not code has
to be admitted by labelled answers, and rates that rest on one are corrected for its mistakes. What people say of
sampled episodes (`sample_reviews`, `agree`, `reviewed_rate`) counts for the whole run, because every sample knows the
chance with which it was drawn.
"""

from workbench.evals.admission import Admission, Guarded, Labelled, admit
from workbench.evals.agreement import Agreement, Decision, ReviewedRate, adjudicate, agree, reviewed_rate
from workbench.evals.calls import grade_call
from workbench.evals.clock import timed_by
from workbench.evals.comparison import Pairs, check_comparable, compare, pair
from workbench.evals.corrected import Calibration, Corrected, calibrate, corrected_rate
from workbench.evals.groundedness import Groundedness, bind_groundedness, read_scorer
from workbench.evals.interval import (
    NO_INTERVAL,
    Codes,
    Floats,
    Interval,
    clusters_needed,
    codes,
    difference_interval,
    difference_moments,
    mean_interval,
    share_interval,
    smallest_effect,
    standard_error,
    student,
)
from workbench.evals.judge import JUDGING, Grade, Judge, judge_metric, make_judge
from workbench.evals.junit import junit_xml
from workbench.evals.kpi import KpiLine, measure_kpis, render_kpis
from workbench.evals.kpi_catalogue import CATALOGUE
from workbench.evals.kpi_evidence import Evidence, read_evidence
from workbench.evals.metric import METRICS, Mark, Metric, bind_metrics, foreign_score, metric, unanswered
from workbench.evals.pass_k import PassRate, all_of, measure_pass, one_of, pass_at_k, pass_hat_k
from workbench.evals.ragas import ragas_metric
from workbench.evals.ragas_queries import WrittenQuery, check_writer, write_queries
from workbench.evals.ranking import average_precision, ndcg_at, precision_at, recall_at, reciprocal_rank
from workbench.evals.regrade import regrade
from workbench.evals.reliability import Reliability, reliability
from workbench.evals.report import measure, summarize
from workbench.evals.review import Review, ReviewItem, ReviewRequest, check_reviews, sample_reviews
from workbench.evals.runner import Agent, EvaluationRequest, evaluate
from workbench.evals.sample import COSTS, Cost, Sample, draw
from workbench.evals.sarif import sarif
from workbench.evals.scenario import CaseAgent, Converser, InWorld
from workbench.evals.schema import json_schema, misfit
from workbench.evals.selective import (
    Judged,
    Operating,
    Price,
    auroc,
    cheapest,
    operate,
    operating_curve,
    risk_area,
    risk_coverage,
    threshold_for,
)
from workbench.evals.selfcheck import CheckLine, Contradiction, ideal, selfcheck
from workbench.evals.significance import Tails, difference_tails, mean_tails, quantile_tails, share_tails, sign_flip_p
from workbench.evals.suite_check import applicable, check_suites
from workbench.evals.table import number, render_comparison, render_report, render_table, signed
from workbench.evals.worlds import World, Worlds, known_worlds
from workbench.evals.worst import Worst, attempt, scores_of, worst, worst_first

__all__ = [
    "CATALOGUE",
    "COSTS",
    "JUDGING",
    "METRICS",
    "NO_INTERVAL",
    "Admission",
    "Agent",
    "Agreement",
    "Calibration",
    "CaseAgent",
    "CheckLine",
    "Codes",
    "Contradiction",
    "Converser",
    "Corrected",
    "Cost",
    "Decision",
    "EvaluationRequest",
    "Evidence",
    "Floats",
    "Grade",
    "Groundedness",
    "Guarded",
    "InWorld",
    "Interval",
    "Judge",
    "Judged",
    "KpiLine",
    "Labelled",
    "Mark",
    "Metric",
    "Operating",
    "Pairs",
    "PassRate",
    "Price",
    "Reliability",
    "Review",
    "ReviewItem",
    "ReviewRequest",
    "ReviewedRate",
    "Sample",
    "Tails",
    "World",
    "Worlds",
    "Worst",
    "WrittenQuery",
    "adjudicate",
    "admit",
    "agree",
    "all_of",
    "applicable",
    "attempt",
    "auroc",
    "average_precision",
    "bind_groundedness",
    "bind_metrics",
    "calibrate",
    "cheapest",
    "check_comparable",
    "check_reviews",
    "check_suites",
    "check_writer",
    "clusters_needed",
    "codes",
    "compare",
    "corrected_rate",
    "difference_interval",
    "difference_moments",
    "difference_tails",
    "draw",
    "evaluate",
    "foreign_score",
    "grade_call",
    "ideal",
    "json_schema",
    "judge_metric",
    "junit_xml",
    "known_worlds",
    "make_judge",
    "mean_interval",
    "mean_tails",
    "measure",
    "measure_kpis",
    "measure_pass",
    "metric",
    "misfit",
    "ndcg_at",
    "number",
    "one_of",
    "operate",
    "operating_curve",
    "pair",
    "pass_at_k",
    "pass_hat_k",
    "precision_at",
    "quantile_tails",
    "ragas_metric",
    "read_evidence",
    "read_scorer",
    "recall_at",
    "reciprocal_rank",
    "regrade",
    "reliability",
    "render_comparison",
    "render_kpis",
    "render_report",
    "render_table",
    "reviewed_rate",
    "risk_area",
    "risk_coverage",
    "sample_reviews",
    "sarif",
    "scores_of",
    "selfcheck",
    "share_interval",
    "share_tails",
    "sign_flip_p",
    "signed",
    "smallest_effect",
    "standard_error",
    "student",
    "summarize",
    "threshold_for",
    "timed_by",
    "unanswered",
    "worst",
    "worst_first",
    "write_queries",
]
