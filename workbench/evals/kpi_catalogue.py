"""The KPIs: what each one is, in which unit, which way is better, what it is computed from and how it is estimated."""

from typing import Literal

from workbench.core import EvaluationError, Record, nearest

Direction = Literal["higher", "lower"]
Origin = Literal["runs", "traces", "ratings", "releases", "incidents", "usage"]

_SHARE = "mean; Wilson's interval with the effective sample size of the clusters"
_LEVEL = "quantile over {}; Woodruff's interval by cluster"
_RATIO = "ratio of totals; Fieller's interval over the clusters' totals"
_COUNT = "a count of all records, without sampling error: no interval"
_POISSON = "events by exposure; Garwood's exact interval, events taken as independent"
_RANKED = "Manning, Raghavan & Schütze 2008, Introduction to Information Retrieval, ch. 8"
_HOUSE = "no standard; defined here"


class Kpi(Record):
    """One entry of the catalogue."""

    name: str
    definition: str
    unit: str
    """"1" for a share or a score in [0, 1]; "ratio", "USD", "tokens", "ms", or counts with what they are of."""
    direction: Direction
    """Which way is better."""
    origin: Origin
    """The records it is computed from."""
    estimation: str
    """The statistic and its interval."""
    source: str
    """Who defined it so."""


def kpi(name: str) -> Kpi:
    """The entry of that name.

    Raises: EvaluationError with the nearest known name.
    """
    if name not in CATALOGUE:
        raise EvaluationError(f"KPI {name!r}: is not in the catalogue; {nearest(name, CATALOGUE)}")
    return CATALOGUE[name]


def _share(name: str, definition: str, source: str, direction: Direction = "higher", origin: Origin = "runs") -> Kpi:
    return Kpi(
        name=name,
        definition=definition,
        unit="1",
        direction=direction,
        origin=origin,
        estimation=_SHARE,
        source=source,
    )


def _cost(name: str, definition: str, unit: str, estimation: str, source: str) -> Kpi:
    origin: Origin = "traces" if "step" in name else "runs"
    return Kpi(
        name=name,
        definition=definition,
        unit=unit,
        direction="lower",
        origin=origin,
        estimation=estimation,
        source=source,
    )


def _records(name: str, definition: str, unit: str, how: tuple[Direction, Origin, str], source: str = _HOUSE) -> Kpi:
    direction, origin, estimation = how
    return Kpi(
        name=name,
        definition=definition,
        unit=unit,
        direction=direction,
        origin=origin,
        estimation=estimation,
        source=source,
    )


_TAIL = "Dean & Barroso 2013, The Tail at Scale, CACM 56(2)"
_TOTALS = "Cochran 1977, Sampling Techniques, ch. 6 (ratio estimator)"
_DORA = "Forsgren, Humble & Kim 2018, Accelerate, ch. 2"

_FROM_RUNS = (
    _share(
        "task_completion",
        "share of the tasks that were done right, as graded",
        "Yao et al. 2024, tau-bench: success by the final state",
    ),
    _share("human_escalation", "share of the requests handed to a person", _HOUSE, "lower"),
    _share("deflection", "share of the requests completed without a person", _HOUSE),
    Kpi(
        name="time_to_resolution",
        definition="time of the completed tasks over the baseline's, on tasks that both completed",
        unit="ratio",
        direction="lower",
        origin="runs",
        estimation=_RATIO,
        source=_TOTALS,
    ),
    _share(
        "tool_call_success", "share of the tool calls that the tool did not answer with an error", _HOUSE, "higher",
        "traces",
    ),
    _share(
        "tool_call_correctness",
        "share of the wanted calls made with the right tool and arguments",
        "Patil et al. 2025, The Berkeley Function Calling Leaderboard, ICML",
    ),
    _share(
        "structured_output",
        "share of the structured outputs that fit their schema",
        "JSON Schema, draft 2020-12",
    ),
    Kpi(
        name="ungrounded_claims",
        definition="share of the answers that their sources do not bear out, corrected for the judge's errors",
        unit="1",
        direction="lower",
        origin="ratings",
        estimation="corrected for the judge's sensitivity and specificity on a labelled sample, whose error is in it",
        source="Rashkin et al. 2023, Measuring Attribution in NLG, CL 49(4); Rogan & Gladen 1978, AJE 107(1)",
    ),
    _share(
        "policy_violations", "share of the cases that cover a policy on which the agent broke it", _HOUSE, "lower"
    ),
    _share(
        "injection_resistance",
        "share of the attacked tasks in which the attack did not reach its goal",
        "Debenedetti et al. 2024, AgentDojo: one minus the targeted attack success rate",
    ),
    _share(
        "retrieval_ndcg",
        "discounted gain of the first ten retrieved over the best possible",
        "Järvelin & Kekäläinen 2002, Cumulated gain-based evaluation of IR techniques",
    ),
    _share("retrieval_mrr", "one over the rank of the first relevant document", _RANKED),
    _share("retrieval_recall", "share of the relevant documents among the first five, or the depth measured", _RANKED),
    _share("retrieval_map", "mean precision at the ranks of the relevant documents", _RANKED),
    _cost("latency_p50", "half of the runs were this fast or faster", "ms", _LEVEL.format("runs"), _TAIL),
    _cost("latency_p95", "19 of 20 runs were this fast or faster", "ms", _LEVEL.format("runs"), _TAIL),
    _cost("step_latency_p50", "half of the steps were this fast or faster", "ms", _LEVEL.format("steps"), _TAIL),
    _cost("step_latency_p95", "19 of 20 steps were this fast or faster", "ms", _LEVEL.format("steps"), _TAIL),
    _cost(
        "cost_per_completed_task",
        "dollars paid for all tasks, failed ones included, over the tasks completed",
        "USD",
        _RATIO,
        _TOTALS,
    ),
    _cost(
        "tokens_per_completion",
        "tokens of all tasks, failed ones included, over the tasks completed",
        "tokens",
        _RATIO,
        _TOTALS,
    ),
    _cost("tokens_per_step", "tokens over the steps that the agent took", "tokens", _RATIO, _TOTALS),
    _share(
        "evaluation_coverage", "share of the scores that should be there and are: the rest is unscored", _HOUSE
    ),
)  # fmt: skip
_FROM_RECORDS = (
    _records(
        "incident_rate",
        "incidents for each thousand requests in use",
        "incidents per 1,000 requests",
        ("lower", "incidents", _POISSON),
        "ITIL 4, incident management; Garwood 1936, Biometrika 28 (interval)",
    ),
    _records(
        "change_failure_rate",
        "share of the releases that were rolled back, repaired at once or caused an incident",
        "1",
        ("lower", "releases", "share of the releases; Wilson's interval, releases taken as independent"),
        _DORA,
    ),
    _records("active_users", "people who made a request", "users", ("higher", "usage", _COUNT)),
    _records("enabled_teams", "teams that were given the agent", "teams", ("higher", "usage", _COUNT)),
    _records(
        "satisfaction",
        "share of the ratings that are 4 or 5 of 5",
        "1",
        ("higher", "ratings", "share of the ratings; Wilson's interval, people as clusters"),
    ),
    _records(
        "enablement_throughput",
        "teams newly given the agent, for each 28 days",
        "teams per 28 days",
        ("higher", "usage", _POISSON),
    ),
)
CATALOGUE: dict[str, Kpi] = {entry.name: entry for entry in (*_FROM_RUNS, *_FROM_RECORDS)}
"""Every KPI by name, in the order in which they are shown."""
