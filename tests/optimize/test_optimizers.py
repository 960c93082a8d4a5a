"""What every optimizer must keep to; each entry of OPTIMIZERS passes all of it."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
import towns

from workbench.core import Budget
from workbench.lms import CallStore, scope
from workbench.optimize import OPTIMIZERS, Optimized, Task, Trial, optimize

EVERY = pytest.mark.parametrize("name", sorted(OPTIMIZERS))


class Killed(BaseException):
    """The process ends here."""


def search(name: str, world: towns.World) -> Optimized:
    """One optimizer at work, under the name of a run."""
    with scope(run=towns.RUN):
        return optimize(towns.start(), towns.make([name]), world.task)


def world_of(store: CallStore | None = None, **options: object) -> towns.World:
    """A world with a model that writes instructions."""
    return towns.World(**{"store": store, "propose": towns.proposer, **options})  # type: ignore[arg-type]


def test_a_task_holds_no_test_case() -> None:
    """What is not handed over can't be looked at."""

    told = {"on_begin", "on_case", "on_race", "on_trial"}
    scored = {"grader", "metric", "repeats", "wavers"}
    expected = {"build", "meter", "proposer", "seed", "train", "val", "workers"} | told | scored
    assert expected == {field.name for field in fields(Task)}


@EVERY
def test_every_candidate_is_tried_by_the_search(name: str, store: CallStore) -> None:
    """The start is first, each trial was announced in its order, and the best is a complete one of them."""
    announced: list[Trial] = []
    world = world_of(store)
    world.task = replace(world.task, on_trial=announced.append)
    found = search(name, world)

    assert tuple(announced) == found.trials
    assert list(range(len(found.trials))) == [trial.number for trial in found.trials]
    assert ("start", {}) == (found.trials[0].origin, found.trials[0].changes)
    assert len(found.trials) > 1
    assert found.best in found.trials
    assert (True, len(towns.VAL)) == (found.best.complete, found.best.cases)


@EVERY
def test_the_pupil_gets_better_where_demos_and_advice_help(name: str, store: CallStore) -> None:
    """It starts with a quarter right; tuning retrieval shows no demo and gives no advice, so it alone stays there."""
    found = search(name, world_of(store))

    assert found.trials[0].score == 0.25
    assert (found.best.score == 0.25) == (name == "tune_retrieval")


@EVERY
@pytest.mark.parametrize("limit", [12, 13, 17, 30])
def test_no_call_exceeds_the_budget(name: str, limit: int, store: CallStore) -> None:
    """By the engines' own counters, with two workers; what was spent is what they counted."""
    world = world_of(store, budget=Budget(calls=limit))
    found = search(name, world)

    assert world.calls <= limit
    assert world.calls == found.spent.calls


@EVERY
def test_a_search_without_calls_left_gives_its_best_complete_trial(name: str, store: CallStore) -> None:
    """The start takes twelve calls and two are left: no candidate is tried whole, and the reason is in words."""
    found = search(name, world_of(store, budget=Budget(calls=14)))

    if name == "tune_retrieval":
        assert ("", 2) == (found.stopped, len(found.trials))
    else:
        kept = "budget: what is left is too little for another candidate on all cases; raise it to go on"
        room = "budget: had no room for 5 of the candidates; raise it to try them"
        over = "budget 'calls': 15 would exceed the limit of 14; raise it to go on"
        assert {"frugal_search": kept, "random_search": room}.get(name, over) == found.stopped
        assert (0, towns.start()) == (found.best.number, found.winner)


@EVERY
def test_no_token_exceeds_the_budget(name: str, store: CallStore) -> None:
    """The most a call can take is reserved before it is made."""
    world = world_of(store, budget=Budget(tokens=1200))
    found = search(name, world)

    spent = sum(engine.prompt_tokens + engine.completion_tokens for engine in (world.engine, world.adviser))
    assert spent == found.spent.tokens
    assert spent <= 1200


@EVERY
def test_the_ledger_knows_every_call_under_its_run_and_candidate(name: str, store: CallStore) -> None:
    """Also those that a foreign loop made: totals equal the engines' own counters."""
    world = world_of(store)
    search(name, world)
    frame = store.frame(towns.RUN)
    paid = frame.filter(~frame["cached"])

    assert (world.calls, store.frame().height) == (paid.height, frame.height)
    engines = (world.engine, world.adviser)
    assert sum(engine.prompt_tokens for engine in engines) == paid["prompt_tokens"].sum()
    assert sum(engine.completion_tokens for engine in engines) == paid["completion_tokens"].sum()
    assert (frame["candidate"] == "").sum() == 0


@EVERY
def test_the_same_seed_gives_the_same_search(name: str, tmp_path: Path, still_clock: None) -> None:
    """Trial by trial, with two workers and a store of its own each time."""
    one, two = (search(name, world_of(CallStore(tmp_path / place))) for place in ("one.db", "two.db"))

    assert one == two


@EVERY
def test_the_start_is_given_back_if_nothing_is_better(name: str, store: CallStore) -> None:
    """A model that is always wrong, and an instruction that costs more than the one there was."""
    world = world_of(store, answer=lambda _prompt: '{"town": "nowhere"}', propose=towns.saying("Try harder. " * 20))
    found = search(name, world)

    assert (0, 0.0) == (found.best.number, found.best.score)
    assert towns.start() == found.winner


@EVERY
def test_the_winner_is_whole(name: str, store: CallStore) -> None:
    """Built from the record alone it answers as it did in its trial, from answers that are paid."""
    world = world_of(store)
    found = Optimized.model_validate_json(search(name, world).model_dump_json())
    before = world.calls
    with scope(run=towns.RUN):
        again = optimize(found.winner, [], world.task)

    assert found.best.score == again.best.score
    assert found.best.agent_digest == again.best.agent_digest
    assert before == world.calls


@EVERY
@pytest.mark.parametrize("last", [5, 14, 26])
def test_an_interrupted_search_ends_like_an_uninterrupted_one(
    name: str, last: int, tmp_path: Path, still_clock: None
) -> None:
    """Killed in a call and run again over the same store: the same record, and no question paid twice."""
    whole = world_of(CallStore(tmp_path / "whole.db"))
    expected = search(name, whole)
    store = CallStore(tmp_path / "killed.db")
    killed = world_of(store)
    killed.engine.answer = _until(last, killed)
    try:
        search(name, killed)
    except Killed:
        pass
    else:
        assert whole.engine.calls <= last
    resumed = world_of(store)

    assert expected == search(name, resumed)
    assert whole.calls == killed.calls + resumed.calls
    paid = store.frame().filter(~store.frame()["cached"])
    assert paid.height == paid["key"].n_unique()


def test_an_interrupted_search_stops_where_its_budget_ends(tmp_path: Path, still_clock: None) -> None:
    """What the first attempt paid counts, although the second one does not pay it again."""
    whole = world_of(CallStore(tmp_path / "whole.db"), budget=Budget(calls=40), workers=1)
    expected = search("random_search", whole)
    store = CallStore(tmp_path / "killed.db")
    killed = world_of(store, budget=Budget(calls=40), workers=1)
    killed.engine.answer = _until(25, killed)
    with pytest.raises(Killed):
        search("random_search", killed)
    resumed = world_of(store, budget=Budget(calls=40), workers=1)

    assert expected == search("random_search", resumed)
    assert (40, 40) == (whole.calls, killed.calls + resumed.calls)


def _until(last: int, world: towns.World) -> towns.Answer:
    def answer(prompt: str) -> str:
        if world.engine.calls >= last:
            raise Killed
        return towns.pupil(prompt)

    return answer
