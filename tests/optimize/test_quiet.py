"""Foreign code is silent inside `quiet`, and its bars never trip over each other's."""

import tqdm  # type: ignore[import-untyped]  # comes with dspy, which draws with it

from workbench.optimize.quiet import quiet


def test_a_bar_opens_although_another_thread_has_all_bars_forgotten() -> None:
    """dspy forgets every bar of the process before it opens its own: between two steps of another thread's bar."""
    with quiet():
        bar = tqdm.tqdm.__new__(tqdm.tqdm)
        tqdm.tqdm._instances.clear()
        bar.__init__(total=1, disable=True)

    assert bar.disable


def test_a_bar_finds_its_place_while_bars_come_and_go() -> None:
    """The set of bars may change while it is read."""
    with quiet():
        bars = [tqdm.tqdm(total=1) for _ in range(3)]
        seen = []
        for bar in tqdm.tqdm._instances:
            seen.append(bar)
            tqdm.tqdm._instances.clear()
        for bar in bars:
            bar.close()

    assert 3 == len(seen)
    assert not list(tqdm.tqdm._instances)
