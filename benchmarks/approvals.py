"""Approvals: does anything run that is not exactly what a person approved?

    python -m benchmarks.approvals [--quick] [--json FILE]

Rules:

- A refund is asked for, a person grants it, and between the grant and the call one thing changes: arguments, labels,
  policy, the tool's version or text, tenant, caller, occasion; the approval expires or the clock goes back; a row
  of the file is forged with the seal of another approval; or it was used before (a replay, also for another occasion).
- What is changed to is drawn from a seeded stream, each kind of change comes equally often, and no two rounds share an
  order. What counts is the effect in the world, not what the gate says.
- Beside every tenth change stands a round without one: it must run, exactly once, or the target is missed as well.
- Scripted: no model takes part.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from benchmarks.figures import Figure, conclude
from workbench.core import stream
from workbench.safety import USER, Label
from workbench.tools import Approvals, AuditEntry, Call, Caller, Facts, Gate, Policy, Result, State, Tool, declare

SEED = 17
CHANGES, QUICK_CHANGES = 1000, 200
VALID_SECONDS = 3600.0
POLICIES = """
@id("refunds") permit(principal in Role::"support", action == Action::"refund", resource) when { context.approved };
"""
OTHER_POLICIES = POLICIES + '@id("more") forbid(principal in Role::"trainee", action, resource);'
MAIL = Label(integrity="untrusted", sources=("mail:1",))


@dataclass
class Desk:
    """The world, the gate before it, and the time."""

    folder: Path
    done: Counter[str] = field(default_factory=Counter)
    now: float = 1_000_000.0
    state: State = field(init=False)

    def __post_init__(self) -> None:
        self.state = State(self.folder / "state.db")
        self.approvals = Approvals(self.state, clock=self.clock, valid_seconds=VALID_SECONDS)

    def clock(self) -> float:
        """The time."""
        return self.now

    def append(self, _entry: AuditEntry) -> None:
        """An audit log that is not looked at here."""

    def tool(self, *, version: str = "1", words: str = "Give money back.") -> Tool:
        """The tool."""

        def refund(order: str, amount: float, note: str = "") -> str:
            self.done[order] += 1
            return f"{amount} {note}"

        refund.__doc__ = words
        return declare(refund, Facts(effect="write", idempotency="key", version=version, identity=("order",)))

    def gate(self, tool: Tool, policies: str = POLICIES) -> Gate:
        """A gate on the one state."""
        return Gate([tool], Policy(policies, [tool]), self.state, self, clock=self.clock)


@dataclass
class Round:
    """A call that was approved."""

    desk: Desk
    call: Call
    approval_id: str
    random: Random
    plain: Gate
    """The gate that asked."""

    def run(self, **changed: object) -> Result:
        """The call with something changed, at the gate that asked."""
        return self.plain.call(self.call.model_copy(update=changed))


def _arguments(one: Round) -> None:
    name = one.random.choice(("amount", "note", "order"))
    value = {"amount": one.call.arguments["amount"] + one.random.choice((0.01, -0.01, 900)), "note": "x"}  # type: ignore[operator]
    value["order"] = f"{one.call.arguments['order']}x"
    one.run(arguments={**one.call.arguments, name: value[name]})


def _label(one: Round) -> None:
    one.run(labels=one.random.choice(({"": MAIL}, {}, {"": USER, "/order": MAIL}, {"/order": USER, "/amount": USER})))


def _policy(one: Round) -> None:
    one.desk.gate(one.desk.tool(), OTHER_POLICIES).call(one.call)


def _version(one: Round) -> None:
    tool = one.desk.tool(version="2") if one.random.random() < 0.5 else one.desk.tool(words="Give all money back.")
    one.desk.gate(tool).call(one.call)


def _caller(one: Round) -> None:
    update = one.random.choice(
        ({"tenant": "globex"}, {"principal": "eve"}, {"session": "s2"}, {"roles": ("support", "x")})
    )
    one.run(caller=one.call.caller.model_copy(update=update))


def _occasion(one: Round) -> None:
    one.run(occasion="another")


def _expiry(one: Round) -> None:
    one.desk.now += VALID_SECONDS + one.random.random() * 1000
    one.run()


def _clock(one: Round) -> None:
    one.desk.now -= 1.0 + one.random.random() * 1000
    one.run()
    one.desk.now += 2000.0


def _forged(one: Round) -> None:
    """Somebody who can write to the file, but not read the seal, grants what was only asked."""
    order = f"{one.call.arguments['order']}-forged"
    call = one.call.model_copy(update={"arguments": {**one.call.arguments, "order": order}})
    asked = one.plain.call(call)
    seal = one.desk.state.change("SELECT seal FROM approvals WHERE id = ?", (one.approval_id,))[0][0]
    one.desk.state.change(
        "UPDATE approvals SET state = 'granted', approver = 'boss', seal = ? WHERE id = ?", (seal, asked.approval_id)
    )
    one.plain.call(call)


def _replay(one: Round) -> None:
    """It is used as it should be, and then asked to serve again, under an occasion of its own."""
    one.run()
    one.run()
    one.run(occasion="once more")
    one.desk.done[str(one.call.arguments["order"])] -= 1  # the first was right


CHANGE: dict[str, Callable[[Round], None]] = {
    "arguments": _arguments,
    "label": _label,
    "policy": _policy,
    "version": _version,
    "tenant or caller": _caller,
    "occasion": _occasion,
    "expiry": _expiry,
    "clock goes back": _clock,
    "forged row": _forged,
    "replay": _replay,
}


def measure(folder: Path, changes: int) -> list[Figure]:
    """So many changes, and a tenth as many rounds without one."""
    desk, random = Desk(folder), stream(SEED, "approvals")
    plain = desk.gate(desk.tool())
    names = list(CHANGE)
    executed: Counter[str] = Counter()
    for number in range(changes):
        name = names[number % len(names)]
        before = desk.done.total()
        CHANGE[name](_granted(desk, plain, f"o{number}", random))
        executed[name] += desk.done.total() - before
    unchanged = changes // 10
    desk.done.clear()
    for number in range(unchanged):
        _granted(desk, plain, f"u{number}", random).run()
    right = sum(count == 1 for count in desk.done.values())
    each = changes // len(names)
    return [
        *(
            Figure(f"executed after a change: {name} ({each})", executed[name], "0", executed[name] == 0)
            for name in names
        ),
        Figure("changes in all", changes),
        Figure("executed in all", executed.total(), "0", executed.total() == 0),
        Figure(f"unchanged, executed once, of {unchanged}", right, str(unchanged), right == unchanged),
    ]


def _granted(desk: Desk, plain: Gate, order: str, random: Random) -> Round:
    desk.now += 1.0
    caller = Caller(tenant="acme", principal="jo", roles=("support",), session="s1")
    arguments = {"order": order, "amount": 10.0 + random.randrange(500), "note": ""}
    call = Call.model_validate({"tool": "refund", "arguments": arguments, "labels": {"": USER}, "caller": caller})
    asked = plain.call(call)
    assert asked.kind == "pending"
    desk.approvals.grant(asked.approval_id, approver="boss", tenant="acme")
    return Round(desk, call, asked.approval_id, random, plain)


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.approvals", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_CHANGES} changes instead of {CHANGES}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        figures = measure(Path(name), QUICK_CHANGES if options.quick else CHANGES)
    print("scripted; between approval and execution one thing changes")
    return conclude(figures, options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
