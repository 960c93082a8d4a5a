"""What one kind of runs under a budget came to; a part of `benchmarks.budgets`."""

from collections.abc import Sequence

from workbench.core import Budget, Record, Spend

ROUNDING = 1e-9


class Leg(Record):
    """One kind of runs."""

    name: str
    runs: int
    stopped: int
    """Runs that a limit ended."""
    paid: int
    """Calls that the model answered."""
    failed: int = 0
    """Calls that the model failed."""
    replayed: int = 0
    killed: int = 0
    """Processes that were killed while they held a reservation."""
    cut_short: int = 0
    """Calls that were answered to a process which was killed before it could keep the answer."""
    overshot: int
    """Runs after which the model's own account is beyond a limit."""
    lost: int
    """Answers that are not kept as they were given, or not paid for exactly once; searches that ended otherwise."""
    idle: int = 0
    """Runs that ended below a limit in calls, though it was the only one: something was held that nobody had."""

    @property
    def met(self) -> bool:
        """Nothing exceeded, nothing lost, nothing held for ever."""
        return not (self.overshot or self.lost or self.idle)


def within(spent: Spend, budget: Budget) -> bool:
    """Is every limit held?"""
    pairs = (
        (spent.calls, budget.calls, 0.0),
        (spent.tokens, budget.tokens, 0.0),
        (spent.seconds, budget.seconds, ROUNDING),
        (spent.usd or 0.0, budget.usd, ROUNDING),
    )
    return all(limit is None or value <= limit * (1 + rounding) for value, limit, rounding in pairs)


def added(name: str, legs: Sequence[Leg]) -> Leg:
    """Many runs as one leg."""
    counts = Leg.model_fields.keys() - {"name"}
    return Leg.model_validate({"name": name, **{count: sum(getattr(leg, count) for leg in legs) for count in counts}})
