"""Users that a language model plays."""

from pathlib import Path

import pytest

from workbench.core import Budget, BudgetExceeded, Meter
from workbench.core.evalset import Persona
from workbench.evals.users import Message, SimulatedUser, SimulatorError
from workbench.lms import CallStore, scope, scripted_lm

PERSONA = Persona(persona="You want a ride to Rome.", model="scripted")
ASKED = (Message(role="user", text="hello"), Message(role="agent", text="Where to?"))


def test_the_user_s_model_is_in_the_ledger_and_not_on_the_agent_s_bill(tmp_path: Path) -> None:
    """Its calls belong to the case and the module "user"; the episode's tally counts none."""
    store = CallStore(tmp_path / "calls.db")
    user = SimulatedUser(PERSONA, scripted_lm(lambda prompt: "to Rome", store=store))
    with scope(run="r", case="c") as tally:
        assert "to Rome" == user.reply(ASKED)

    assert 0 == tally.usage().calls
    assert [("r", "c", "user")] == store.frame().select("run", "case_id", "module").rows()


def test_a_user_s_model_that_fails_is_the_simulator_s_fault() -> None:
    """An error, or nothing to say; a budget that is used up still stops everything."""

    def fail(prompt: str) -> str:
        raise OSError("no line")

    with pytest.raises(SimulatorError, match="no line"):
        SimulatedUser(PERSONA, scripted_lm(fail)).reply(ASKED)
    with pytest.raises(SimulatorError, match="said nothing"):
        SimulatedUser(PERSONA, scripted_lm(lambda prompt: " ")).reply(ASKED)
    with pytest.raises(BudgetExceeded):
        SimulatedUser(PERSONA, scripted_lm(lambda prompt: "x", meter=Meter(Budget(calls=0)))).reply(ASKED)
