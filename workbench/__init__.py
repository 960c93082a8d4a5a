"""Make an agent measurably better, and prove it before it ships.

    Corpus ──build──▶ Index ─┐
                             ├─▶ Agent ─evaluate─▶ Run ─summarize─▶ Report ─check─▶ Verdict ─export─▶ Package ─▶ serve
    LM ──────────────────────┘     ▲                │
    EvalSet (train│val│test) ──────┼────────────────┘
                                   └─ optimize(train, val, budget)   never sees test

Data flows to the right. Each box is one frozen record, or one directory with a manifest, named by the
digest of its content; each arrow is one plain function in the room of its name. Importing this package
imports no room: `from workbench.evals import evaluate` opens exactly one.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("workbench")
except PackageNotFoundError:  # a source tree on the path, not installed
    __version__ = "0+source"
