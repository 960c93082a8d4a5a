"""The benchmark's parts run small, and it would see a foreign prompt."""

from pathlib import Path

import pytest

from benchmarks import isolation as benchmark
from benchmarks.small_world import start
from workbench.lms import scope

FINE = benchmark.Figures(
    evaluations=9, foreign=0, other_ends=0, alone_per_second=1.0, together_per_second=2.0, ratio=2.0
)


def test_eight_searches_at_once_see_their_own_prompts(tmp_path: Path) -> None:
    """And end as they end alone."""
    figures = benchmark.measure(benchmark.Size(cases=4, candidates=1, rounds=1, peers=0), tmp_path)

    assert (0, 0) == (figures.foreign, figures.other_ends)
    assert 0 < figures.evaluations


def test_a_foreign_prompt_is_seen() -> None:
    """Another search's run, another's words, or other demos than the candidate's."""
    watched = benchmark._Watched(3)
    watched.world.specs["c"] = start()
    own = "land3 tools\nRequest: Find me free hotels in land3 Valville 1?"
    for run, prompt in (("land3", own), ("land4", own), ("land3", own + " land4"), ("land3", "Arguments:\n{" + own)):
        with scope(run=run, candidate="c"):
            watched._answer(prompt)

    assert (4, 3) == (watched.seen, watched.foreign)


@pytest.mark.parametrize("change", [{"foreign": 1}, {"other_ends": 1}, {"ratio": 1.79}, {"evaluations": 0}])
def test_every_target_counts(change: dict[str, float]) -> None:
    """One missed is enough."""
    assert FINE.met
    assert not FINE.model_copy(update=change).met
