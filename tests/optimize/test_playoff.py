"""Where answers vary, the best are asked again until the choice stands; where they do not, nobody is."""

from collections import Counter
from dataclasses import replace

import pytest
import towns

from workbench.agents import build_agent
from workbench.core import Budget, Meter
from workbench.lms import CallStore, LMSpec, scope, scripted_lm
from workbench.optimize import LabeledDemos, Optimized, Runner, Search, optimize
from workbench.optimize.playoff import Finalist, again
from workbench.retrieval import build_index

CLUSTERS = [f"{place}" for place in range(40)]


def finalist(name: str, right: int, *, rounds: int = 1, varies: bool = True) -> Finalist:
    """Right on the first so many of the forty cases."""
    return Finalist(Runner(name, [float(place < right) for place in range(40)], 100.0), rounds, varies)


@pytest.mark.parametrize(
    ("finalists", "asked"),
    [
        ((finalist("a", 30), finalist("b", 28)), ("a", "b")),
        ((finalist("a", 30), finalist("b", 10)), ()),
        ((finalist("a", 30), finalist("b", 28, varies=False)), ("a",)),
        ((finalist("a", 30, varies=False), finalist("b", 28, varies=False)), ()),
        ((finalist("a", 30, rounds=2), finalist("b", 28)), ("b",)),
        ((finalist("a", 30, rounds=3), finalist("b", 28, rounds=3)), ()),
        ((finalist("a", 30), *(finalist(name, 28) for name in "bcde")), ("a", "b", "c")),
        ((finalist("a", 30),), ()),
    ],
    ids=("close", "clear", "one varies", "none varies", "who was asked less", "enough", "no more than three", "alone"),
)
def test_only_those_whose_order_it_could_change_are_asked_again(
    finalists: tuple[Finalist, ...], asked: tuple[str, ...]
) -> None:
    """The best and who follows closely, as far as they vary."""
    assert asked == again(finalists, CLUSTERS, repeats=3)


def lucky(prompt: str, seen: Counter[str]) -> str:
    """Without demos right for all cases when they are asked for the first time, and for none ever after.

    With demos right for eleven of twelve, always.
    """
    seen[prompt] += 1
    shown = "Arguments:\n{" * 4
    if "Arguments:\n{" in prompt:
        return (
            '{"town": "nowhere"}' if "Valville 7" in prompt.rpartition("Request: ")[2] else towns.pupil(shown + prompt)
        )
    return towns.pupil(shown + prompt) if seen[prompt] == 1 else '{"town": "nowhere"}'


def search(*, temperature: float, repeats: int = 3, budget: int = 1000, store: CallStore | None = None) -> Optimized:
    """The lucky one against four demos."""
    seen: Counter[str] = Counter()
    world = towns.World(answer=lambda prompt: lucky(prompt, seen), store=store, budget=Budget(calls=budget))
    start = towns.start().model_copy(update={"lm": LMSpec(model="scripted", temperature=temperature)})
    # The model of the small world is asked at temperature 0.
    lm = scripted_lm(world.engine, spec=start.lm, store=store, meter=world.meter)
    index = build_index(towns.catalogue_of_towns(), start.index)
    task = replace(world.task, build=lambda spec: build_agent(spec, index=index, lm=lm), repeats=repeats)
    with scope(run=towns.RUN):
        return optimize(start, [LabeledDemos()], task)


def test_luck_does_not_win_where_the_model_samples() -> None:
    """Asked again, the lucky one falls back; its last trial holds all its answers."""
    found = search(temperature=1.0)
    last = {trial.agent_digest: trial for trial in found.trials}
    lucky_one = last[found.trials[0].agent_digest]

    assert (1.0, 1) == (found.trials[0].score, found.trials[0].repeats)
    assert ("labeled_few_shot", 11 / 12) == (found.best.origin, pytest.approx(found.best.score))
    assert 0.5 >= (lucky_one.score or 0)
    assert (12, True, lucky_one.repeats * 12) == (lucky_one.cases, lucky_one.complete, lucky_one.report.lines[0].cases)


def test_nothing_is_asked_again_where_nothing_varies_or_nobody_wants_it() -> None:
    """At temperature 0 the second asking is the first; and one repeat is none."""
    for found in (search(temperature=0.0), search(temperature=1.0, repeats=1)):
        assert (24, {1}) == (found.spent.calls, {trial.repeats for trial in found.trials})


@pytest.mark.parametrize("budget", [24, 30, 47])
def test_a_budget_without_room_for_a_round_ends_without_one(budget: int) -> None:
    """It is no refusal: the search ran to its end."""
    found = search(temperature=1.0, budget=budget)

    assert ("", 24) == (found.stopped, found.spent.calls)


def test_a_search_that_is_made_again_gets_the_same_repeats(store: CallStore) -> None:
    """From the store, without a call."""
    first = search(temperature=1.0, store=store)
    paid = store.frame(towns.RUN).filter(~store.frame(towns.RUN)["cached"]).height
    second = search(temperature=1.0, store=store)

    assert paid == first.spent.calls == store.frame(towns.RUN).filter(~store.frame(towns.RUN)["cached"]).height
    assert [(one.agent_digest, one.score, one.repeats) for one in first.trials] == [
        (one.agent_digest, one.score, one.repeats) for one in second.trials
    ]


def test_a_metric_that_wavers_is_asked_again() -> None:
    """The same answers, scored once more: the mean counts."""
    world = towns.World()
    world.meter = Meter(Budget())
    asked = Search(replace(world.task, wavers=True, repeats=2), towns.start())
    asked.attempt(towns.start(), origin="start")
    asked.attempt(towns.start().model_copy(update={"layout": "json"}), origin="other")
    asked.settle()

    assert [1, 1, 2, 2] == [trial.repeats for trial in asked.trials]
