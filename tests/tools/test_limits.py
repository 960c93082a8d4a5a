"""Limits of a tool: its breaker's trial counts also where the call has ended before it is judged."""

from workbench.tools.facts import Facts
from workbench.tools.limits import Limit, Refused


class Clock:
    """Moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def attempt(limit: Limit, *, well: bool) -> str:
    """One call as the gate makes it: it ends, then it is judged; why it did not begin, if so."""
    try:
        limit.enter()
    except Refused as refused:
        return refused.code
    limit.leave()
    limit.judge(well=well)
    return "made"


def test_a_trial_that_fails_makes_the_tool_rest_again() -> None:
    """One in thirty seconds, until one goes well."""
    clock = Clock()
    limit = Limit(Facts(effect="write", idempotency="key"), clock)
    first = [attempt(limit, well=False) for _ in range(6)]
    clock.now += 30
    second = [attempt(limit, well=False) for _ in range(2)]
    clock.now += 30
    third = [attempt(limit, well=True) for _ in range(2)]

    assert ["made"] * 5 + ["unavailable"] == first
    assert ["made", "unavailable"] == second
    assert ["made", "made"] == third


def test_a_trial_that_the_rate_forbids_is_left_to_the_next() -> None:
    """The rest is over after thirty seconds, the minute's calls are used up until sixty."""
    clock = Clock()
    limit = Limit(Facts(effect="write", idempotency="key", calls_per_minute=5), clock)
    for _ in range(5):
        attempt(limit, well=False)
    ends = []
    for now in (29, 30, 61):
        clock.now = now
        ends.append(attempt(limit, well=True))

    assert ["unavailable", "rate", "made"] == ends
