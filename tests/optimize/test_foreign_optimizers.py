"""dspy's optimizers behind our protocol: what each needs, what a cut leaves, and that they keep to themselves."""

import gc
import json
import os
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import dspy
import pytest
import towns

from workbench.agents import AgentSpec, instructions
from workbench.agents.tool_caller import FillArguments
from workbench.core import Budget, ConfigError, OptimizeError
from workbench.lms import EMBEDDED, CallStore, LMSpec, ScriptedEngine, scope, scripted_lm
from workbench.optimize import (
    OPTIMIZERS,
    Copro,
    Gepa,
    InferredRules,
    Mipro,
    Optimized,
    Optimizer,
    Simba,
    optimize,
    suitability,
)

TELLING = sorted(name for name, offer in OPTIMIZERS.items() if offer.needs_proposer)
EVERY = pytest.mark.parametrize("name", TELLING)
BEGUN = instructions(towns.start())


def search(optimizer: Optimizer, world: towns.World) -> Optimized:
    """One optimizer at work."""
    with scope(run=towns.RUN):
        return optimize(towns.start(), [optimizer], world.task)


def of(name: str) -> Optimizer:
    """The optimizer of that name."""
    return OPTIMIZERS[name].make({})


def obedient(prompt: str) -> str:
    """Right if it is told to copy the town, and never else."""
    return towns.pupil("Arguments:\n{" * 4 + prompt) if towns.ADVICE in prompt else '{"town": "nowhere"}'


def told(spec: AgentSpec) -> str:
    """What the predictor is told that fills arguments."""
    return instructions(spec)["fill"]


def test_those_that_have_instructions_written_say_so() -> None:
    """And no other one asks a proposer, though there is one."""
    assert ["copro", "gepa", "infer_rules", "mipro", "simba"] == TELLING
    for name in sorted(set(OPTIMIZERS) - set(TELLING)):
        world = towns.World(propose=towns.proposer)
        (made,) = towns.make([name])
        search(made, world)
        assert (name, 0) == (name, world.adviser.calls)


@EVERY
def test_without_a_proposer_it_says_what_to_set(name: str) -> None:
    """It takes none as a default, and asks nothing before it says so."""
    world = towns.World()

    with pytest.raises(
        OptimizeError, match=rf"^{name}: needs a model that writes instructions; set optimize\.proposer"
    ):
        search(of(name), world)
    assert len(towns.VAL) == world.calls


@EVERY
def test_a_base_model_is_asked_for_no_instruction(name: str) -> None:
    """The embedded model is refused as a proposer before it is asked."""
    world = towns.World()
    engine = ScriptedEngine(towns.proposer)
    weak = scripted_lm(engine, spec=LMSpec(model=EMBEDDED), meter=world.meter)
    world.task = replace(world.task, proposer=weak)

    with pytest.raises(ConfigError, match=f"^{name}: the embedded base model continues text, it can't write"):
        search(of(name), world)
    assert engine.calls == 0


@pytest.mark.parametrize("optimizer", [Gepa(), Copro(), Mipro(), InferredRules()])
def test_the_words_of_the_proposer_reach_the_agent(optimizer: Optimizer, store: CallStore) -> None:
    """Nothing but the advice helps this pupil; the winner holds it, and the trial shows it."""
    found = search(optimizer, towns.World(store=store, answer=obedient, propose=towns.proposer))

    assert (0.0, 1.0) == (found.trials[0].score, found.best.score)
    assert told(found.winner).endswith(towns.ADVICE)
    assert towns.ADVICE in found.best.changes["instructions.fill"]
    assert BEGUN["choose"] == instructions(found.winner)["choose"]  # retrieval chooses, so nobody is told to


def test_simba_makes_a_rule_of_answers_that_vary(store: CallStore) -> None:
    """The same request goes well once and badly once: what made the difference is written down and kept."""
    asked: Counter[str] = Counter()

    def moody(prompt: str) -> str:
        asked[prompt] += 1
        return obedient(prompt) if asked[prompt] % 2 else towns.pupil("Arguments:\n{" * 4 + prompt)

    world = towns.World(store=store, answer=moody, propose=towns.proposer, seed=3)
    found = search(Simba(candidates=4, steps=4, demos=0), world)

    assert world.adviser.calls > 0
    assert towns.ADVICE in told(found.winner)


def test_gepa_is_told_why_an_answer_is_wrong(store: CallStore) -> None:
    """The metric's reason stands in what the proposer reads, with the request and what was answered."""
    read: list[str] = []

    def reader(prompt: str) -> str:
        read.append(prompt)
        return towns.proposer(prompt)

    search(Gepa(), towns.World(store=store, answer=obedient, propose=reader))

    assert "argument 'town': 'nowhere': is none of ['Trainville" in read[0]
    assert "Valville" not in "".join(read)


@EVERY
def test_no_call_is_made_beyond_the_budget_and_none_is_lost(name: str, tmp_path: Path) -> None:
    """Cut anywhere it has spent exactly its limit, unless it was through before; what it paid is in the store."""
    through = towns.World(store=CallStore(tmp_path / "whole.db"), propose=towns.proposer)
    search(of(name), through)
    for limit in range(13, through.calls, 7):
        store = CallStore(tmp_path / f"{limit}.db")
        world = towns.World(store=store, propose=towns.proposer, budget=Budget(calls=limit))
        found = search(of(name), world)
        kept = store.frame(towns.RUN).filter(~store.frame(towns.RUN)["cached"])

        assert (limit, limit, limit) == (world.calls, found.spent.calls, kept.height)
        assert "budget 'calls'" in found.stopped


@pytest.mark.parametrize("optimizer", [Gepa(), Copro(), Mipro(), InferredRules()])
def test_a_cut_loop_leaves_its_best_candidate_so_far(optimizer: Optimizer, tmp_path: Path) -> None:
    """One call short of its end, what it has judged on all cases is tried again from paid answers, and wins."""
    through = towns.World(store=CallStore(tmp_path / "whole.db"), propose=towns.proposer)
    whole = search(optimizer, through)
    cut = towns.World(
        store=CallStore(tmp_path / "cut.db"), propose=towns.proposer, budget=Budget(calls=through.calls - 1)
    )
    found = search(optimizer, cut)

    assert ("", True) == (whole.stopped, "budget 'calls'" in found.stopped)
    assert (whole.best.score or 0) >= (found.best.score or 0) > 0.25
    assert found.best.number > 0


@EVERY
def test_raising_the_budget_goes_on_from_what_is_paid(name: str, tmp_path: Path, still_clock: None) -> None:
    """The same winner as in one go, and no question paid twice."""
    whole = towns.World(store=CallStore(tmp_path / "whole.db"), propose=towns.proposer)
    expected = search(of(name), whole)
    store = CallStore(tmp_path / "cut.db")
    cut = towns.World(store=store, propose=towns.proposer, budget=Budget(calls=whole.calls // 2))
    search(of(name), cut)
    raised = towns.World(store=store, propose=towns.proposer)
    found = search(of(name), raised)

    assert expected.winner.digest == found.winner.digest
    assert whole.calls == cut.calls + raised.calls


@EVERY
def test_a_model_that_fails_ends_the_loop_and_scores_nothing(name: str) -> None:
    """An outage is our fault, and a foreign loop would have counted it as a wrong answer."""
    world = towns.World(propose=towns.proposer)

    def flaky(prompt: str) -> str:
        if world.engine.calls >= 14:
            raise ConnectionError("the line is dead")
        return towns.pupil(prompt)

    world.engine.answer = flaky

    with pytest.raises(Exception, match="the line is dead") as failed:
        search(of(name), world)
    assert "workbench.core.errors" == type(failed.value).__module__


@EVERY
def test_it_is_silent_and_writes_no_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """No bar, no print and no log, whether it ends or is cut; afterwards the streams are what they were."""
    monkeypatch.chdir(tmp_path)
    streams = (sys.stdout, sys.stderr)
    for calls in (10_000, 30):
        search(of(name), towns.World(propose=towns.proposer, budget=Budget(calls=calls)))
    gc.collect()  # a bar that was left open would write now
    heard = capfd.readouterr()

    assert ("", "") == (heard.out, heard.err)
    assert [] == os.listdir(tmp_path)
    assert streams == (sys.stdout, sys.stderr)


def test_others_are_heard_while_one_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    """Another thread prints in the middle of it."""

    def loud(prompt: str) -> str:
        thread = threading.Thread(target=lambda: print("heard", flush=True))  # noqa: T201
        thread.start()
        thread.join()
        return towns.proposer(prompt)

    search(Gepa(passes=3), towns.World(propose=loud))
    heard = capfd.readouterr().out.split()

    assert {"heard"} == set(heard)


def test_several_at_once_never_see_each_other(still_clock: None) -> None:
    """Each in a thread of its own, with advice of its own: each ends as it does alone, and dspy is untouched."""
    before = (dspy.settings.lm, dspy.settings.adapter, FillArguments.instructions)

    def alone(place: int) -> tuple[Optimized, str]:
        advice = f"{towns.ADVICE} Variant {place}."
        world = towns.World(answer=obedient, propose=towns.saying(advice))
        return search(of(TELLING[place % len(TELLING)]), world), advice

    expected = [alone(place) for place in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(alone, range(8)))

    for (one, advice), (other, _) in zip(expected, found, strict=True):
        assert one.winner.digest == other.winner.digest
        words = "".join(json.dumps(program.model_dump(mode="json")) for program in other.programs.values())
        assert words.count("Variant ") == words.count(advice)
    assert before == (dspy.settings.lm, dspy.settings.adapter, FillArguments.instructions)


SPEAKS = LMSpec(model="openai/gpt-4o-mini")


@pytest.mark.parametrize(
    ("name", "proposer", "expected"),
    [
        ("nearest_demos", None, (True, "changes demos, those most like each request")),
        ("gepa", None, (False, "no proposer is configured, so none are attempted; set optimize.proposer")),
        ("copro", LMSpec(), (False, "a weak proposer: the embedded base model can't write instructions")),
        ("simba", SPEAKS, (True, "changes demos and rules, where answers vary, written by openai/gpt-4o-mini")),
    ],
)
def test_what_can_work_is_said_before_anything_is_spent(
    name: str, proposer: LMSpec | None, expected: tuple[bool, str]
) -> None:
    """Of each optimizer whether, and why."""
    (found,) = suitability([name], lm=SPEAKS, proposer=proposer)

    assert (name, expected[0]) == (found.name, found.works)
    assert expected[1] in found.why


def test_a_base_model_is_said_to_follow_demos_better() -> None:
    """With a proposer that can write: it works, and the plan says what to expect."""
    (found,) = suitability(["gepa"], lm=LMSpec(), proposer=SPEAKS)

    assert found.works
    assert found.why.endswith("; the embedded base model follows demos better than instructions")


def test_suitability_names_an_unknown_optimizer() -> None:
    """With the nearest known one."""
    with pytest.raises(ConfigError, match=r"optimizer 'gpea': is unknown; did you mean \"gepa\"\?"):
        suitability(["gpea"], lm=LMSpec(), proposer=None)
