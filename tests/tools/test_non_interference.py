"""Untrusted bytes never change what an agent does without an approval, and a broken label engine is noticed."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.interference_axioms import AXIOMS, Axiom
from benchmarks.interference_equivalents import EQUIVALENT
from benchmarks.interference_mutants import Mutant, mutants, unchanged
from benchmarks.interference_play import Play, draw_bytes, draw_program
from benchmarks.interference_world import KINDS, World
from benchmarks.non_interference import axiom_broken, interference
from workbench.safety.labels import USER, Label
from workbench.tools.call import Call, Caller

WORLD = World()
FAST = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
BY_NAME = {mutant.name: mutant for mutant in mutants()}


def find(start: str, end: str) -> Mutant:
    """The first mutant whose name begins and ends so."""
    return next(mutant for name, mutant in BY_NAME.items() if name.startswith(start) and name.endswith(end))


@FAST
@given(st.randoms(use_true_random=False), st.integers(0, 2**32), st.integers(0, 2**32))
def test_untrusted_bytes_do_not_change_the_effects(rng: Random, one: int, other: int) -> None:
    """The same program, played with other bytes."""
    program = draw_program(rng)
    first = Play(WORLD, draw_bytes(Random(one))).run(program)

    assert first == Play(WORLD, draw_bytes(Random(other))).run(program)


@pytest.mark.parametrize("axiom", AXIOMS, ids=lambda axiom: axiom.__name__)
def test_an_axiom_holds(axiom: Axiom) -> None:
    """On seeded inputs, before anything is mutated."""
    for seed in range(40):
        axiom(Random(seed), WORLD)


def test_programs_act_and_carry_untrusted_bytes() -> None:
    """Else the property would hold of nothing."""
    plays = [(draw_program(Random(seed)), Play(WORLD, draw_bytes(Random(seed)))) for seed in range(60)]
    effects = [effect for program, play in plays for effect in play.run(program)]

    assert {name for name, kind in KINDS.items() if kind.facts.effect != "read"} >= {name for name, _ in effects}
    assert len(effects) > 30


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("labels.join:", "all -> any"),
        ("labels.join:", "max -> min"),
        ("labels._nearest: return UNKNOWN", "UNKNOWN -> Label(integrity='trusted')"),
        ("labels._inside:", "skip escape"),
        ("flow.flow:", "And -> Or"),
        ("flow.DEFAULT:", "'trusted' -> 'untrusted'"),
        ("gate._concluded: label = own", "drop part 0"),
        ("policy._SAID:", "control -> 'trusted'"),
    ],
)
def test_a_mutant_is_caught(start: str, end: str) -> None:
    """One of each module and kind."""
    mutant = find(start, end)

    assert axiom_broken(mutant) or interference(mutant)
    assert USER.trusted, "and the engine is whole again"


def test_the_property_alone_sees_a_lost_taint() -> None:
    """No axiom is asked: what is made of several values counts as trusted."""
    start = "labels.join: integrity="

    assert "non-interference" == interference(find(start, "condition -> True"), effort=3)


@pytest.mark.parametrize("mutant", [one for one in unchanged() if one.target in {"join", "_SAID"}], ids=str)
def test_the_engine_itself_is_not_caught(mutant: Mutant) -> None:
    """Taken apart and put together again, a function and a constant."""
    assert "" == axiom_broken(mutant) + interference(mutant)


def test_what_is_argued_to_be_equivalent_is_a_mutant() -> None:
    """A reason that belongs to nothing is out of date."""
    assert set() == set(EQUIVALENT) - set(BY_NAME)


def test_the_world_parks_what_is_untrusted() -> None:
    """The same call, decided by the user and by somebody else."""
    caller = Caller(tenant="acme", principal="jo", roles=("agent",))
    call = Call(tool="mail", arguments={"to": "a", "attach": "b"}, labels={"": USER}, caller=caller)
    other = call.model_copy(update={"labels": {"": USER, "/to": Label(integrity="untrusted")}})

    assert ["done", "pending"] == [WORLD.call(one).kind for one in (call, other)]
