"""Tenants: do fifty at once, behind one of everything, get exactly what each gets alone?

    python -m benchmarks.tenants [--quick] [--json FILE]

Rules:

- A tenant has a script of its own, drawn from a seeded stream: writes and reads through the gate, approvals asked for
  and granted, questions to a model (equal ones again, with and without sampling), calls of an external, searches,
  memories. Alone it runs on stores of its own; together all run at once, a thread each, on one gate, one state, one
  audit log, one call store, one live index and one file of memories. What it was told must be the same, step by step:
  value, kind, code, whether it was replayed, whether it was paid.
- They are made to be confused: orders, amounts, occasions, sessions, principals, questions, names of memories and ids
  of runs come from the same few for everybody, and the documents of all are about the same. Only the tenant differs, so
  a key without it shows as another's answer: the model's, the tools' and the external's answers name the tenant they
  were made for.
- Crossed is any step that names another tenant. Each effect must have taken place once, in its tenant's world.
- Then every fifth tenant is erased: from state and audit log, call store, memories and index. The others
  run their scripts once more and must be told what one alone is told that does; no effect may take place again. Of the
  erased the files must hold no answer in clear; the audit log must still verify and show the others' entries.
- In a shared index what a word is worth is counted over everybody's documents, as its documentation says; here all have
  documents of the same words, so that ranks can be compared.
- Scripted model and tools. Answers of the call store are kept apart by `scope(tenant=...)`, documents by their readers.
"""

import argparse
import contextvars
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Figure, conclude
from workbench.agents import Known, Memory
from workbench.core import Document, Origin, stream
from workbench.lms import CallStore, External, LMSpec, journaled, scope, scripted_lm, whose
from workbench.retrieval import IndexSpec, LiveIndex, View, create_live, update
from workbench.safety import USER
from workbench.tools import (
    Attempt,
    AuditKeys,
    Call,
    Caller,
    ChainedLog,
    Facts,
    Gate,
    Policy,
    Result,
    State,
    declare,
    forget,
    read,
    verify,
)

SEED = 29
TENANTS, QUICK_TENANTS = 50, 12
STEPS, QUICK_STEPS = 60, 24
POLICIES = """
@id("acts") permit(principal, action in [Action::"refund", Action::"look"], resource);
@id("asks") permit(principal, action == Action::"close", resource) when { context.approved };
"""
Told = tuple[str, ...]


@dataclass
class House:
    """One of everything, in one folder."""

    folder: Path
    documents: Sequence[Document]
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Effects, by tenant and order."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        facts = Facts(effect="write", idempotency="key", at_once=200)
        tools = [
            declare(self.refund, facts),
            declare(self.close, facts.model_copy(update={"approval": "always"})),
            declare(self.look, Facts(effect="read", at_once=200)),
        ]
        self.state = State(self.folder / "state.db", busy_seconds=60)
        self.keys = AuditKeys(self.folder / "keys")
        self.log = ChainedLog(self.folder / "audit", self.keys)
        self.gate = Gate(tools, Policy(POLICIES, tools), self.state, self.log)
        self.store = CallStore(self.folder / "calls.db")
        spec = LMSpec(model="scripted")
        self.lm = scripted_lm(lambda prompt: f"{whose()} is told of {len(prompt)}", spec=spec, store=self.store)
        self.warm = scripted_lm(
            lambda prompt: f"{whose()} is told", spec=spec.model_copy(update={"temperature": 0.7}), store=self.store
        )
        self.ask_outside = journaled(self.store, External(kind="tool", name="outside", pure=True))(self._outside)
        self.memory = Memory(self.folder / "memory.db")
        create_live(self.folder / "index", "shared", IndexSpec(retriever="bm25"))
        self.index = LiveIndex(self.folder / "index")
        update(self.index, self.documents)

    def refund(self, order: str, amount: float, attempt: Attempt) -> str:
        """Give money back."""
        with self._lock:
            self.done[attempt.tenant, f"refund {order}"] += 1
        return f"{attempt.tenant} gives {amount} for {order}"

    def close(self, order: str, attempt: Attempt) -> str:
        """Close an order."""
        with self._lock:
            self.done[attempt.tenant, f"close {order}"] += 1
        return f"{attempt.tenant} closes {order}"

    def look(self, order: str, attempt: Attempt) -> str:
        """Look an order up."""
        return f"{attempt.tenant} has {order}"

    def _outside(self, question: str) -> str:
        return f"{whose()} heard {question}"

    def end(self) -> None:
        """Close what is open."""
        self.log.close()
        self.store.close()
        self.memory.close()


@dataclass
class Tenant:
    """One tenant's script, on a house."""

    name: str
    house: House

    def run(self, steps: int) -> list[Told]:
        """What it is told, step by step."""
        random = stream(SEED, "tenant", self.name)
        acts: tuple[Callable[[str, str], Told], ...] = (
            self._refund, self._refund, self._close, self._look, self._model, self._sampled, self._external,
            self._search, self._remember, self._recall,
        )  # fmt: skip
        told = []
        for number in range(steps):
            order, occasion = f"o{random.randrange(4)}", f"run-{random.randrange(2)}"
            with scope(run="run", candidate="c", case=str(number), tenant=self.name):
                told.append(random.choice(acts)(order, occasion))
        return told

    def _call(self, tool: str, arguments: dict[str, str | float], occasion: str) -> Result:
        caller = Caller(tenant=self.name, principal="jo", roles=("support",), session="s")
        call = {"tool": tool, "arguments": arguments, "labels": {"": USER}, "caller": caller, "occasion": occasion}
        return self.house.gate.call(Call.model_validate(call))

    def _refund(self, order: str, occasion: str) -> Told:
        return _shown(self._call("refund", {"order": order, "amount": 5.0}, occasion))

    def _close(self, order: str, occasion: str) -> Told:
        first = self._call("close", {"order": order}, occasion)
        for asked in self.house.gate.approvals.list(self.name):
            if asked.stand == "asked":
                self.house.gate.approvals.grant(asked.approval_id, approver="boss", tenant=self.name)
        return _shown(first) + _shown(self._call("close", {"order": order}, occasion))

    def _look(self, order: str, occasion: str) -> Told:
        return _shown(self._call("look", {"order": order}, occasion))

    def _model(self, order: str, _occasion: str) -> Told:
        with scope() as tally:
            said = str(self.house.lm(f"what of {order}?")[0])
        return ("model", said, str([call.cached for call in tally.calls()]))

    def _sampled(self, order: str, _occasion: str) -> Told:
        with scope() as tally:
            said = str(self.house.warm(f"what of {order}?")[0])
        return ("sampled", said, str([call.cached for call in tally.calls()]))

    def _external(self, order: str, _occasion: str) -> Told:
        with scope() as tally:
            said = self.house.ask_outside(order)
        return ("external", said, str([call.cached for call in tally.calls()]))

    def _search(self, order: str, _occasion: str) -> Told:
        hits = self.house.index.search(f"refund of order {order}", 5, View(principals=(self.name,)))
        return ("search", *(hit.doc_id for hit in hits))

    def _remember(self, order: str, occasion: str) -> Told:
        caller = Caller(tenant=self.name, principal="jo", roles=(), session="s")
        known = Known(name=order, value=f"{self.name} likes {occasion}", label=USER)
        self.house.memory.remember(caller, known, keep_seconds=3600)
        return ("remembered",)

    def _recall(self, _order: str, _occasion: str) -> Told:
        caller = Caller(tenant=self.name, principal="jo", roles=(), session="s")
        return ("recalled", *(f"{one.name}: {one.value}" for one in self.house.memory.recall(caller)))


def _shown(result: Result) -> Told:
    return (result.kind, result.code, str(result.value), str(result.replayed), result.message)


def documents(names: Sequence[str]) -> list[Document]:
    """Four of each tenant, for it alone, and one for nobody; all of the same words."""
    texts = [
        f"How a refund of order o{number} is made, in {number + 2} steps." + " order" * number for number in range(4)
    ]
    return [
        Document(doc_id=f"{name}:{number}", text=text, origin=Origin(source="help", readers=readers))
        for name in names
        for number, (text, readers) in enumerate([*((text, (name,)) for text in texts), (texts[0], ())])
    ]


@dataclass(frozen=True)
class Alone:
    """What a tenant is told and does in a house of its own, and what it is told there the second time."""

    first: list[Told]
    second: list[Told]
    done: Counter[tuple[str, str]]


def alone(folder: Path, name: str, steps: int) -> Alone:
    """A tenant with one of everything to itself."""
    folder.mkdir(parents=True)
    house = House(folder, documents([name]))
    first, second = (Tenant(name, house).run(steps) for _ in range(2))
    house.end()
    return Alone(first, second, house.done)


def together(house: House, names: Sequence[str], steps: int) -> dict[str, list[Told]]:
    """What all are told, each in a thread of its own."""
    gather = threading.Barrier(len(names))

    def work(name: str) -> list[Told]:
        gather.wait(60)
        return Tenant(name, house).run(steps)

    with ThreadPoolExecutor(len(names)) as pool:
        running = {name: pool.submit(contextvars.copy_context().run, work, name) for name in names}
        return {name: one.result() for name, one in running.items()}


def crossed(name: str, told: Sequence[Told], names: Sequence[str]) -> int:
    """Steps in which another tenant is named."""
    return sum(any(other in part for part in step for other in names if other != name) for step in told)


def erased(house: House, gone: Sequence[str], left: Sequence[str], expected: dict[str, Alone]) -> list[Figure]:
    """Erase some; what the others are told then, and what is left of the erased."""
    before = _entries(house, left)
    for name in gone:
        forget(name, log=house.log, state=house.state)
        house.store.erase(name)
        house.memory.erase(name)
    update(house.index, [], deleted=[f"{name}:{number}" for name in gone for number in range(5)])
    done = Counter(house.done)
    told = together(house, left, len(expected[left[0]].second))
    changed = sum(told[name][step] != one for name in left for step, one in enumerate(expected[name].second))
    kept, shown = _entries(house, left), _entries(house, gone)
    house.end()
    raw = b"".join(path.read_bytes() for path in sorted(house.folder.rglob("*")) if path.is_file())
    words = ("is told", "gives", "closes", "heard", "likes")
    found = sum(f"{name} {word}".encode() in raw for name in gone for word in words)
    verify(house.folder / "audit")  # raises if anything was touched
    return [
        Figure(f"{len(gone)} erased: steps of the {len(left)} others told otherwise", changed, "0", changed == 0),
        Figure("effects of the others done again", (house.done - done).total(), "0", house.done == done),
        Figure("kinds of answers of the erased in clear in any file", found, "0", found == 0),
        Figure("audit entries of the others lost", len(before - kept), "0", before <= kept),
        Figure("audit entries of the erased that can be read", len(shown), "0", not shown),
    ]


def _entries(house: House, names: Sequence[str]) -> set[tuple[str, str]]:
    lines = (line.entry for line in read(house.folder / "audit", house.keys))
    return {(one.call_id, one.kind) for one in lines if one is not None and one.tenant in names}


def measure(folder: Path, tenants: int, steps: int) -> list[Figure]:
    """Each alone, all together, some erased."""
    names = [f"tenant-{number:02}-{'acme' if number % 2 else 'globex'}" for number in range(tenants)]
    expected = {name: alone(folder / name, name, steps) for name in names}
    (folder / "all").mkdir()
    house = House(folder / "all", documents(names))
    told = together(house, names, steps)
    different = sum(told[name][step] != one for name in names for step, one in enumerate(expected[name].first))
    crossing = sum(crossed(name, told[name], names) for name in names)
    wanted = sum((one.done for one in expected.values()), Counter[tuple[str, str]]())
    odd = sum(abs(house.done[key] - wanted[key]) for key in {*house.done, *wanted})
    gone = names[::5]
    kinds = Counter(step[0] for one in expected.values() for step in one.first)
    print(f"steps by what was told first: {dict(kinds.most_common())}")
    return [
        Figure("tenants at once", tenants),
        Figure("steps in all", tenants * steps),
        Figure("steps told otherwise than alone", different, "0", different == 0),
        Figure("steps that name another tenant", crossing, "0", crossing == 0),
        Figure(f"effects missing or doubled, of {wanted.total()}", odd, "0", odd == 0),
        *erased(house, gone, [name for name in names if name not in gone], expected),
    ]


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tenants", description=__doc__.split("\n")[0])
    text = f"{QUICK_TENANTS} tenants of {QUICK_STEPS} steps instead of {TENANTS} of {STEPS}"
    parser.add_argument("--quick", action="store_true", help=text)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    size = (QUICK_TENANTS, QUICK_STEPS) if options.quick else (TENANTS, STEPS)
    print("scripted model and tools")
    with tempfile.TemporaryDirectory() as name:
        figures = measure(Path(name), *size)
    return conclude(figures, options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
