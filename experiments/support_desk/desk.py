"""The desk: a plan from the customer's own words, checked as a whole, then done through the gate step by step.

Why a plan: a desk reads what others wrote, and what it does must not hang on that. The customer is signed in by
whoever runs the desk; the model is never told who may do what, and could change nothing about it.
"""

from dataclasses import dataclass
from pathlib import Path

import dspy

from experiments.support_desk.shop import Shop
from workbench.agents import Outcome, PlanExecute, Planner, Quarantine, Runs, Speaker, Toolbox
from workbench.core import ConfigError
from workbench.tools import AuditKeys, Caller, ChainedLog, Gate, State, read_policy

HERE = Path(__file__).parent
TENANT = "shop"


@dataclass(frozen=True)
class Desk:
    """A desk whose files are in a folder: opened again there, it knows its runs, approvals and the shop."""

    folder: Path
    shop: Shop
    gate: Gate
    agent: PlanExecute

    def resolve(self, request: str, email: str, *, ticket: str) -> Outcome:
        """Do what a customer asks for, as far as it goes. The same ticket is not done twice.

        Raises: ConfigError if nobody has that address.
        """
        return self.agent.run(request, caller=self.caller(email), occasion=ticket)

    def resume(self, run_id: str, email: str) -> Outcome:
        """Go on with a run, such as one that waited for an approval.

        Raises: AgentError if it is not that customer's.
        """
        return self.agent.resume(run_id, caller=self.caller(email))

    def caller(self, email: str) -> Caller:
        """Who is signed in with that address. Raises: ConfigError if nobody is."""
        customer = self.shop.customer_called(email)
        if customer is None:
            raise ConfigError(
                f"customer {email!r}: there is none with that address; sign in with the one of the account"
            )
        return Caller(tenant=TENANT, principal=customer, roles=("desk",))


def open_desk(folder: Path, lm: dspy.LM) -> Desk:
    """Open a desk; `lm` is the model that plans, reads and answers.

    Raises: DataError if the shop's data can't be had; ToolError if a file of the desk's can't be opened.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shop = Shop(folder / "shop.json")
    tools = shop.tools
    log = ChainedLog(folder / "audit", AuditKeys(folder / "keys"))
    gate = Gate(tools, read_policy(HERE / "policies", tools), State(folder / "state.db"), log)
    speaker = Speaker(lm)
    toolbox = Toolbox(gate, tools, Runs(folder / "runs.db"))
    return Desk(folder, shop, gate, PlanExecute(toolbox, Planner(speaker), Quarantine(speaker)))
