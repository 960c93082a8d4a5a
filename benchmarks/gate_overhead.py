"""What the gate costs: time added to a tool's call, beside a bare `dspy.Tool` call of the same function.

    python -m benchmarks.gate_overhead [--quick] [--json FILE]

Rules:

- The full gate: JSON Schema, labels, 34 Cedar policies with a schema, the journal in SQLite, two entries in the chained
  and encrypted audit log, redaction, the deadline's thread, the answer's schema. The tool itself does next to nothing.
- The effect is "write": records survive a killed process. Of an "external" or "irreversible" effect they must reach the
  disk as well, which costs what the disk's fsync costs; that is not measured here.
- Each call differs in its arguments, so nothing is replayed or cached by call. Ours and the peer's calls alternate; the
  first tenth is not counted. Garbage collection is left on.
- p50 and p95 of wall time; p99 is not judged, for a shared machine's scheduler decides it. CPU time of the calling and
  the working thread together is printed for comparison between machines under load.
- Source of the peer's figure elsewhere, 351 us: measured with dspy 3.4.1 on an idle machine.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import dspy

from benchmarks.figures import Figure, conclude
from workbench.safety import USER
from workbench.tools import AuditKeys, Call, Caller, ChainedLog, Facts, Gate, Policy, State, declare

CALLS, QUICK_CALLS = 5000, 600
JO = Caller(tenant="acme", principal="jo", roles=("support",), session="s1")
POLICIES = "\n".join(
    (
        '@id("writing") permit(principal in Role::"support", action in Action::"write", resource);',
        '@id("big") forbid(principal, action == Action::"refund", resource)'
        ' when { context.arguments.amount.greaterThan(decimal("100.0")) && !context.approved };',
        *(
            f'@id("team {n}") permit(principal in Role::"team {n}", action in Action::"write", resource)'
            f' when {{ context.arguments.order == "{n}" && context.control == "trusted" }};'
            for n in range(16)
        ),
        *(
            f'@id("never {n}") forbid(principal in Tenant::"tenant {n}", action == Action::"refund", resource);'
            for n in range(16)
        ),
    )
)


def refund(order: str, amount: float, note: str = "") -> str:
    """Give money back."""
    return f"{order}: {amount} {note}"


def measure(folder: Path, calls: int) -> list[Figure]:
    """Both, call by call."""
    tool = declare(refund, Facts(effect="write", idempotency="key", content=("note",), trust="trusted"))
    policy = Policy(POLICIES, [tool])
    gate = Gate([tool], policy, State(folder / "state.db"), ChainedLog(folder, AuditKeys(folder / "keys")))
    peer = dspy.Tool(refund)
    ours, theirs, cpu = [], [], []
    for number in range(calls):
        arguments = {"order": f"o-{number}", "amount": 10.5, "note": f"ticket {number} of mail"}
        call = Call.model_validate({"tool": "refund", "arguments": arguments, "labels": {"": USER}, "caller": JO})
        began, used = time.perf_counter(), time.process_time()
        result = gate.call(call)
        ours.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
        assert result.kind == "done", result
        began = time.perf_counter()
        peer(**arguments)
        theirs.append(time.perf_counter() - began)
    kept = slice(calls // 10, None)
    (ours50, ours95), (theirs50, theirs95) = _percentiles(ours[kept]), _percentiles(theirs[kept])
    return [
        Figure("policies", len(policy.ids), ">= 32", len(policy.ids) >= 32),
        Figure("gate, p50, us", ours50, "<= 150", ours50 <= 150),
        Figure("gate, p95, us", ours95, "<= 300", ours95 <= 300),
        Figure(f"dspy {version('dspy')} Tool, p50, us", theirs50),
        Figure(f"dspy {version('dspy')} Tool, p95, us", theirs95),
        Figure("gate over dspy.Tool, p50", ours50 / theirs50, "< 1", ours50 < theirs50),
        Figure("gate, CPU time, p50, us", _percentiles(cpu[kept])[0]),
    ]


def _percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """The median and the 95th, in microseconds."""
    cuts = statistics.quantiles(seconds, n=20)
    return 1e6 * cuts[9], 1e6 * cuts[18]


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_overhead", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_CALLS} calls instead of {CALLS}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        figures = measure(Path(name), QUICK_CALLS if options.quick else CALLS)
    print("scripted; wall time of a call that does next to nothing")
    return conclude(figures, options.json, digits=1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
