"""The gate under kill -9: is any effect doubled or missing, any approval lost or forged?

    python -m benchmarks.kill_gate [--quick] [--json FILE]

Rules:

- A run is four actions behind a gate: one whose service knows keys, one whose tool can tell what became of it, one
  where nobody can tell, and one that a person approves. A process does them in order; it starts again until all are
  done.
- The first starts of each run are killed, with SIGKILL, at an event drawn from a seeded stream: just before or after
  any change of the state file, any entry of the audit log, any effect, any grant. So every stage of the gate is cut.
- The world is a file that survives: each effect appends a line in one write. It refuses nothing but a key that it has
  seen, and tells what it did only to the tool that can ask. A person who looks at the world settles what is parked.
- Doubled: effects of an action beyond one. Missing: actions without an effect when the run is over. Repeated blindly:
  times that a tool without idempotency began again although it had taken effect. Lost: an approval that was granted and
  is asked for again. Forged: an approval that was used and that nobody granted. Unrecorded: effects without an intent
  before them or without an outcome. Resume: from opening the state after a kill to the first answer, at most.
- Scripted: no model takes part. The log is a file of lines here, whose appends are events as well.
"""

import argparse
import gc
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import JsonValue

from benchmarks import forked
from benchmarks.figures import Figure, conclude
from workbench.core import stream
from workbench.safety import USER
from workbench.tools import (
    Approvals,
    Attempt,
    AuditEntry,
    Call,
    Caller,
    Facts,
    Gate,
    Journal,
    Policy,
    Reconciled,
    State,
    Statements,
    Tool,
    declare,
)

SEED = 23
RUNS, QUICK_RUNS = 500, 40
KILLS_EACH = 3
EVENTS = 70
"""Of a whole run there are about as many; a kill that is due later than the run ends does not take place."""
KINDS = ("keyed", "telling", "blind", "approved")
POLICIES = """
@id("acting") permit(principal in Role::"worker", action in Action::"write", resource);
@id("asking") forbid(principal, action == Action::"approved", resource) when { !context.approved };
"""


@dataclass
class Events:
    """Counts events of a process, and kills it at one of them."""

    due: int
    seen: int = 0

    def __call__(self) -> None:
        self.seen += 1
        if self.seen == self.due:
            os.kill(os.getpid(), signal.SIGKILL)


class WatchedState(State):
    """A state file whose changes are events."""

    def __init__(self, path: Path, event: Callable[[], None]) -> None:
        self._event = event
        super().__init__(path)

    def change(
        self, sql: str, values: Sequence[str | int | float], *, lasting: bool = False
    ) -> list[tuple[str | int | float, ...]]:
        """As `State` does."""
        self._event()
        rows = super().change(sql, values, lasting=lasting)
        self._event()
        return rows

    @contextmanager
    def transaction(self, *, lasting: bool = False) -> Iterator[Statements]:
        """As `State` does."""
        self._event()
        with super().transaction(lasting=lasting) as db:
            yield db
            self._event()
        self._event()


class World:
    """What survives: effects, the audit log and what a person granted, each a file of lines."""

    def __init__(self, folder: Path, event: Callable[[], None]) -> None:
        self._folder = folder
        self._event = event
        self._write = {name: forked.appender(folder / name) for name in ("effects", "audit", "granted", "resumed")}

    def append(self, entry: AuditEntry) -> None:
        """The audit log."""
        self._event()
        self.note("audit", json.dumps([entry.kind, entry.call_id, entry.tool, entry.arguments, entry.result]))
        self._event()

    def note(self, name: str, line: str) -> None:
        """A line."""
        self._write[name](line)

    def act(self, kind: str, run: str, key: str) -> str:
        """An effect."""
        self._event()
        self.note("effects", f"{kind} {run} {key}")
        self._event()
        return f"{kind} {run}"

    def did(self, kind: str, run: str) -> bool:
        """Whether it took place."""
        return any(line.startswith(f"{kind} {run} ") for line in forked.lines(self._folder / "effects"))


def tools(world: World) -> list[Tool]:
    """The four kinds."""

    def keyed(run: str, attempt: Attempt) -> str:
        """The service knows keys."""
        return f"keyed {run}" if world.did("keyed", run) else world.act("keyed", run, attempt.key)

    def telling(run: str, attempt: Attempt) -> str:
        """The tool can tell."""
        return world.act("telling", run, attempt.key)

    def blind(run: str, attempt: Attempt) -> str:
        """Nobody can tell."""
        return world.act("blind", run, attempt.key)

    def approved(run: str, attempt: Attempt) -> str:
        """A person approves it, and the tool can tell."""
        return world.act("approved", run, attempt.key)

    def look(kind: str, arguments: Mapping[str, JsonValue], attempt: Attempt) -> Reconciled:
        """What became of it."""
        done = world.did(kind, str(arguments["run"])) and bool(attempt.key)
        return Reconciled(state="done", value=f"{kind} {arguments['run']}") if done else Reconciled(state="not_done")

    return [
        declare(keyed, Facts(effect="write", idempotency="key")),
        declare(telling, Facts(effect="write", idempotency="reconcile"), reconcile=partial(look, "telling")),
        declare(blind, Facts(effect="write", idempotency="none")),
        declare(approved, Facts(effect="write", idempotency="reconcile"), reconcile=partial(look, "approved")),
    ]


def work(folder: Path, run: str, due: int) -> None:
    """One start: all four actions, as far as it gets."""
    began = time.perf_counter()
    event = Events(due)
    world = World(folder, event)
    state = WatchedState(folder / "state.db", event)
    declared = tools(world)
    gate = Gate(declared, Policy(POLICIES, declared), state, world)
    for kind in KINDS:
        _finish(kind, run, gate, state, world)
        if kind == KINDS[0]:
            world.note("resumed", str(time.perf_counter() - began))
    state.close()


def _finish(kind: str, run: str, gate: Gate, state: State, world: World) -> None:
    """Ask until it is done, as an agent and a person together would."""
    caller = Caller(tenant="acme", principal="jo", roles=("worker",))
    call = Call(tool=kind, arguments={"run": run}, labels={"": USER}, caller=caller, occasion=run)
    for _ in range(5):
        result = gate.call(call)
        if result.kind == "done":
            return
        if result.kind == "pending":
            world.note("granted", f"{run} {result.approval_id}")
            Approvals(state).grant(result.approval_id, approver="boss", tenant="acme")
        for parked in Journal(state).parked():
            Journal(state).settle(
                parked.key,
                done=world.did(kind, run),
                result=result.model_copy(update={"kind": "done"}).model_dump_json(),
            )
    raise AssertionError(f"{kind} of {run}: {result}")


def measure(folder: Path, runs: int) -> list[Figure]:
    """All runs, and what the files say afterwards."""
    gc.freeze()
    random = stream(SEED, "kills")
    kills, blind_again = 0, 0
    forked.finish(forked.start(lambda: State(folder / "state.db").close()))
    for number in range(runs):
        run = f"r{number}"
        for _ in range(KILLS_EACH):
            child = forked.start(partial(work, folder, run, random.randint(1, EVENTS)))
            status = os.waitpid(child, 0)[1]
            kills += os.WIFSIGNALED(status)
            assert os.WIFSIGNALED(status) or status == 0, f"a start ended with {status}"
        forked.finish(forked.start(partial(work, folder, run, 0)))
    effects = Counter(tuple(line.split()[:2]) for line in forked.lines(folder / "effects"))
    wanted = {(kind, f"r{number}") for kind in KINDS for number in range(runs)}
    doubled = sum(count - 1 for count in effects.values())
    blind_again = sum(count - 1 for (kind, _), count in effects.items() if kind == "blind")
    lost, forged = _approvals(folder, runs)
    resumed = max(map(float, forked.lines(folder / "resumed")))
    least = 1000 if runs >= RUNS else runs
    return [
        Figure("runs", runs),
        Figure("kills", kills, f">= {least}", kills >= least),
        Figure("effects", effects.total()),
        Figure("effects doubled", doubled, "0", doubled == 0),
        Figure("effects repeated blindly", blind_again, "0", blind_again == 0),
        Figure("effects missing", len(wanted - effects.keys()), "0", wanted == effects.keys()),
        Figure("approvals lost", lost, "0", lost == 0),
        Figure("approvals forged", forged, "0", forged == 0),
        Figure("effects unrecorded", (bad := _unrecorded(folder, wanted)), "0", bad == 0),
        Figure("slowest resume, s", resumed, "<= 1", resumed <= 1.0),
    ]


def _approvals(folder: Path, runs: int) -> tuple[int, int]:
    """Approvals that were asked for again, and used ones that nobody granted."""
    granted = {line.split()[1] for line in forked.lines(folder / "granted")}
    db = sqlite3.connect(folder / "state.db")
    rows = db.execute("SELECT id, state FROM approvals").fetchall()
    db.close()
    forged = sum(state == "used" and name not in granted for name, state in rows)
    return len(rows) - runs, forged


def _unrecorded(folder: Path, wanted: set[tuple[str, str]]) -> int:
    """Actions without an intent, or without an outcome that is done."""
    told: dict[tuple[str, str], set[str]] = {}
    for line in forked.lines(folder / "audit"):
        kind, _, tool, arguments, result = json.loads(line)
        told.setdefault((tool, json.loads(arguments)["run"]), set()).add(f"{kind} {result}".strip())
    return sum(not {"intent", "outcome done"} <= told.get(action, set()) for action in wanted)


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill_gate", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} runs instead of {RUNS}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        figures = measure(Path(name), QUICK_RUNS if options.quick else RUNS)
    print("scripted; killed with SIGKILL before and after every change, entry, effect and grant")
    return conclude(figures, options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
