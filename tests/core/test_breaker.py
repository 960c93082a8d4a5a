"""A breaker opens when too many attempts fail, lets one try after a rest, and closes when that goes well."""

from workbench.core import Breaker


class Clock:
    """Moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_five_failures_one_after_another_open_it() -> None:
    """An answer between them begins the count anew where all of the last must have failed."""
    breaker = Breaker(clock=Clock())
    for well in (False, False, False, False, True, False, False, False, False):
        breaker.judge(well=well)
    before = breaker.open, breaker.enter()
    breaker.judge(well=False)

    assert ((False, True), (True, False)) == (before, (breaker.open, breaker.enter()))


def test_five_of_the_last_ten_open_it_where_it_looks_at_ten() -> None:
    """Four of ten do not."""
    breaker = Breaker(among=10, clock=Clock())
    for number in range(40):
        breaker.judge(well=number % 10 > 3)
    before = breaker.open
    for number in range(20):
        breaker.judge(well=number % 2 > 0)

    assert (False, True) == (before, breaker.open)


def test_one_attempt_tries_after_the_rest_and_the_rest_doubles_up_to_the_longest() -> None:
    """While it tries nobody else does; what began earlier and ends meanwhile, well or not, changes nothing."""
    clock = Clock()
    breaker = Breaker(rest_seconds=1.0, longest_seconds=3.0, clock=clock)
    for _ in range(5):
        breaker.judge(well=False)
    rests = []
    for _ in range(4):
        breaker.judge(well=False)
        breaker.judge(well=True)
        rests.append(breaker.wait_seconds())
        clock.now += rests[-1]
        assert (True, False) == (breaker.enter(), breaker.enter())
        breaker.judge(well=False)
        breaker.leave()
    clock.now += 3.0
    assert breaker.enter()
    breaker.judge(well=True)
    breaker.leave()

    assert [1.0, 2.0, 3.0, 3.0] == rests
    assert (False, 0.0, True) == (breaker.open, breaker.wait_seconds(), breaker.enter())
