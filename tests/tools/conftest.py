"""A small shop behind a gate: tools that write down what they did, policies, and a log in memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from postgres_server import emptied

from workbench.safety.labels import USER, Label
from workbench.tools.approvals import Approvals
from workbench.tools.call import AuditEntry, Call, Caller
from workbench.tools.errors import NotDone
from workbench.tools.facts import Facts
from workbench.tools.gate import Gate
from workbench.tools.policy import Policy
from workbench.tools.state import State
from workbench.tools.switch import Switch
from workbench.tools.tool import Attempt, Reconciled, Tool, declare

POLICIES = """
@id("reading") permit(principal in Role::"support", action in Action::"read", resource);
@id("writing") permit(principal in Role::"support", action in Action::"write", resource);
@id("big refunds") forbid(principal, action == Action::"refund", resource)
  when { context.arguments.amount.greaterThan(decimal("100.0")) && !context.approved };
"""
JO = Caller(tenant="acme", principal="jo", roles=("support",))
MAIL = Label(integrity="untrusted", sources=("mail:7",))


@dataclass
class Shop:
    """A gate, the world behind it and what the world saw."""

    folder: Path
    place: Path | str
    """Of its state."""
    now: float = 1_000_000.0
    done: list[str] = field(default_factory=list)
    log: list[AuditEntry] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)
    """What the next calls of the world raise, after they took effect unless it is `NotDone`."""
    full: bool = False
    """Whether the audit log refuses."""
    policies: str = POLICIES
    states: list[State] = field(default_factory=list)

    def append(self, entry: AuditEntry) -> None:
        """The audit log."""
        if self.full:
            raise OSError(28, "No space left on device", "/var/audit/log")
        self.log.append(entry)

    def act(self, what: str) -> str:
        """An effect."""
        failure = self.fails.pop(0) if self.fails else None
        if isinstance(failure, NotDone):
            raise failure
        self.done.append(what)
        if failure is not None:
            raise failure
        return what

    def tool(self, **facts: object) -> Tool:
        """The tool "refund" with further facts."""

        def refund(order: str, amount: float, attempt: Attempt, note: str = "") -> str:
            """Give money back."""
            assert attempt.key
            return self.act(f"{order} {amount} {note}".strip())

        given = {"effect": "write", "idempotency": "key", "content": ("note",), **facts}
        look = self.look if given["idempotency"] == "reconcile" else None
        return declare(refund, Facts.model_validate(given), reconcile=look)

    def look(self, arguments: dict[str, object], attempt: Attempt) -> Reconciled:
        """What the world knows of a refund."""
        found = next((one for one in self.done if one.startswith(f"{arguments['order']} ")), None)
        return Reconciled(state="done", value=found) if found else Reconciled(state="not_done")

    def reading(self, **facts: object) -> Tool:
        """The tool "orders", which changes nothing."""

        def orders(customer: str) -> list[str]:
            """List a customer's orders."""
            self.act(f"read {customer}")
            return ["o1"]

        return declare(orders, Facts.model_validate({"effect": "read", **facts}))

    def gate(self, **facts: object) -> Gate:
        """A gate before both tools; each opens the one state anew."""
        tools = [self.tool(**facts), self.reading()]
        self.state = State(self.place, seal=self.folder / "seal", busy_seconds=0.05)
        self.states.append(self.state)
        self.approvals = Approvals(self.state, clock=self.clock)
        self.switch = Switch(self.state, clock=self.clock)
        return Gate(tools, Policy(self.policies, tools), self.state, self, clock=self.clock)

    def clock(self) -> float:
        """The time."""
        return self.now


def call(order: str = "o1", amount: float = 5.0, **fields: object) -> Call:
    """A refund that a user asked for."""
    arguments = {"order": order, "amount": amount}
    return Call.model_validate({"tool": "refund", "arguments": arguments, "labels": {"": USER}, "caller": JO, **fields})


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Of a state that holds nothing, in each engine."""
    return tmp_path / "state.db" if request.param == "sqlite" else emptied(request.getfixturevalue("postgres_url"))


@pytest.fixture
def postgres(postgres_url: str) -> str:
    """The URL of a state that holds nothing."""
    return emptied(postgres_url)


@pytest.fixture
def shop(tmp_path: Path, place: Path | str) -> Iterator[Shop]:
    """A shop with nothing done."""
    shop = Shop(tmp_path, place)
    yield shop
    for state in shop.states:
        state.close()


@pytest.fixture
def make_call():
    """Makes calls."""
    return call
