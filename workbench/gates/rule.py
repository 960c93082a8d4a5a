"""Rules of a gate: one metric, one condition."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from pydantic import Field, model_validator

from workbench.core import ConfigError, Record, nearest
from workbench.evals import COSTS

_OF_COSTS = ("at_most", "no_worse_than")
_OF_SCORES = ("at_least", "better_than", "no_worse_than", "coverage")
_EARLY = ("better_than", "no_worse_than")
CONDITIONS = ("at_least", "at_most", "better_than", "no_worse_than", "coverage")


class Looks(Record):
    """When somebody looks at an evaluation that may stop early; the last look comes after all clusters."""

    first: int = Field(default=8, ge=2)
    """Clusters before the first look."""
    every: int = Field(default=4, ge=1)
    """Clusters from a look to the next one."""


class Rule(Record):
    """One line of a gate in an experiment file: a metric or cost and exactly one condition.

    >>> describe(Rule(metric="task_success", better_than="baseline"))
    'task_success better than baseline'
    """

    metric: str
    """A metric's name, or a cost's ("tokens", "latency_ms_p95", ...)."""
    at_least: float | None = Field(default=None, ge=0, le=1)
    """The lowest score that is good enough: the interval must lie above it."""
    at_most: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """The highest cost, in its unit, that is acceptable: the interval must lie below it."""
    better_than: str | None = None
    """The champion's name: the paired difference must exceed the margin, by a test."""
    no_worse_than: str | None = None
    """The champion's name: the paired interval must exclude being worse by more than the margin."""
    margin: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """In the unit of the metric; only for `better_than` and `no_worse_than`."""
    coverage: float | None = Field(default=None, gt=0, le=1)
    """The smallest share of cases that must be scored."""
    suite: str = ""
    """The suite it is decided on; empty is the experiment's test split."""
    stop_early: Looks | None = None
    """For a comparison of scores on the test: when to look whether the answer is clear already."""

    @model_validator(mode="after")
    def _one_condition_that_fits(self) -> "Rule":
        given = [name for name in CONDITIONS if getattr(self, name) is not None]
        if len(given) != 1:
            words = " and ".join(given) or "none"
            raise ValueError(f"rule {self.metric!r}: has {words} as condition; give exactly one of {list(CONDITIONS)}")
        fitting, kind = (_OF_COSTS, "cost") if self.metric in COSTS else (_OF_SCORES, "score")
        if given[0] not in fitting:
            raise ValueError(f"rule {self.metric!r}: {given[0]} is not for a {kind}; use one of {list(fitting)}")
        if self.margin and given[0] not in ("better_than", "no_worse_than"):
            raise ValueError(f"rule {self.metric!r}: {given[0]} takes no margin; leave it out")
        if self.stop_early and (kind == "cost" or given[0] not in _EARLY or self.suite or self.margin >= 1):
            words = "stop_early is for better_than and no_worse_than of a score on the test, with a margin below 1"
            raise ValueError(f"rule {self.metric!r}: {words}; leave it out")
        return self

    @property
    def threshold(self) -> float:
        """What the estimate, or the difference from the champion, has to reach, or for a cost not to exceed."""
        if self.no_worse_than is not None:
            return self.margin if self.metric in COSTS else -self.margin
        given = (self.at_least, self.at_most, self.coverage)
        return next((value for value in given if value is not None), self.margin)

    @property
    def rival(self) -> str | None:
        """The champion's name in a rule that compares; None in one that does not."""
        return self.better_than or self.no_worse_than


def describe(rule: Rule) -> str:
    """The rule in words.

    >>> describe(Rule(metric="abstention", no_worse_than="baseline", margin=0.05))
    'abstention no worse than baseline, by a margin of 0.05'
    >>> describe(Rule(metric="tokens", at_most=900))
    'tokens at most 900 tokens'
    >>> describe(Rule(metric="task_success", better_than="baseline", stop_early=Looks(first=20, every=10)))
    'task_success better than baseline, seen after 20 clusters and every 10'
    >>> describe(Rule(metric="task_success", at_least=0.9, suite="regression"))
    'task_success at least 0.9 on suite regression'
    """
    where = f" on suite {rule.suite}" if rule.suite else ""
    looks = rule.stop_early
    when = f", seen after {looks.first} clusters and every {looks.every}" if looks else ""
    return f"{_condition(rule)}{where}{when}"


def _condition(rule: Rule) -> str:
    unit = f" {COSTS[rule.metric].unit}" if rule.metric in COSTS else ""
    margin = f", by a margin of {rule.margin:g}{unit}" if rule.margin else ""
    if rule.better_than is not None:
        return f"{rule.metric} better than {rule.better_than}{margin}"
    if rule.no_worse_than is not None:
        return f"{rule.metric} no worse than {rule.no_worse_than}{margin}"
    if rule.at_least is not None:
        return f"{rule.metric} at least {rule.at_least:g}"
    if rule.at_most is not None:
        return f"{rule.metric} at most {rule.at_most:g}{unit}"
    return f"{rule.metric} scored on at least {rule.coverage:.1%} of the cases"


def check_names(
    rules: Sequence[Rule],
    metrics: Collection[str],
    champion: str,
    suites: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> None:
    """Do nothing if every rule is about something that will be measured; for use before anything runs.

    `suites` gives the metrics that are measured on each suite.
    Raises: ConfigError with the nearest known name for a metric, suite or champion that is not there.
    """
    for rule in rules:
        if rule.suite and rule.suite not in suites:
            raise ConfigError(f"gate rule {describe(rule)!r}: no suite has this name; {nearest(rule.suite, suites)}")
        known = {*(suites[rule.suite] if rule.suite else metrics), *COSTS}
        if rule.metric not in known:
            raise ConfigError(f"gate rule {rule.metric!r}: no such metric is measured; {nearest(rule.metric, known)}")
        if rule.rival not in (None, champion):
            raise ConfigError(f"gate rule {describe(rule)!r}: the champion is {champion!r}; name it")
