"""The nouns of the house: records, frames, errors, digests, seeds, budgets.

Open it for the words every other room speaks: `Case`, `EvalSet`, `Document`, `Corpus`, `Episode`, `Run`,
`Report`, `Verdict`, and the `Record` they all are. It imports the standard library, pydantic and polars.

Why records: what crosses a room is frozen and named by the digest of its content, so that a verdict can
be traced left to the exact cases, prompts and seed that made it, and an unchanged input is never
computed twice. Why not dataclasses: the same classes check what is read from disk.
"""

from workbench.core.budget import Budget, Meter, Spend
from workbench.core.corpus import Corpus, Document, ToolSpec, catalogue, describe, tool_id
from workbench.core.episode import Blame, Episode, Failure, Prediction, Score, Step, ToolCall, Usage
from workbench.core.errors import (
    AgentError,
    BudgetExceeded,
    CassetteMiss,
    ChecksumMismatch,
    ConfigError,
    DataError,
    EvaluationError,
    GateNotPassed,
    LMError,
    OptimizeError,
    PackageError,
    RetrievalError,
    TrackingError,
    WorkbenchError,
    boundary,
    nearest,
)
from workbench.core.evalset import (
    SPLITS,
    Case,
    EvalSet,
    ExpectedAbstention,
    ExpectedAnswer,
    ExpectedCall,
    Split,
)
from workbench.core.jsonl import read_record, read_records, write_bytes, write_record, write_records
from workbench.core.record import Record, canonical_json, digest_bytes, digest_file, digest_json, short
from workbench.core.run import SCORES, Run, RunHeader, read_run, write_run
from workbench.core.seeds import integer, stream
from workbench.core.verdict import Comparison, Finding, Line, Report, Slice, Status, Verdict

__all__ = [
    "SCORES",
    "SPLITS",
    "AgentError",
    "Blame",
    "Budget",
    "BudgetExceeded",
    "Case",
    "CassetteMiss",
    "ChecksumMismatch",
    "Comparison",
    "ConfigError",
    "Corpus",
    "DataError",
    "Document",
    "Episode",
    "EvalSet",
    "EvaluationError",
    "ExpectedAbstention",
    "ExpectedAnswer",
    "ExpectedCall",
    "Failure",
    "Finding",
    "GateNotPassed",
    "LMError",
    "Line",
    "Meter",
    "OptimizeError",
    "PackageError",
    "Prediction",
    "Record",
    "Report",
    "RetrievalError",
    "Run",
    "RunHeader",
    "Score",
    "Slice",
    "Spend",
    "Split",
    "Status",
    "Step",
    "ToolCall",
    "ToolSpec",
    "TrackingError",
    "Usage",
    "Verdict",
    "WorkbenchError",
    "boundary",
    "canonical_json",
    "catalogue",
    "describe",
    "digest_bytes",
    "digest_file",
    "digest_json",
    "integer",
    "nearest",
    "read_record",
    "read_records",
    "read_run",
    "short",
    "stream",
    "tool_id",
    "write_bytes",
    "write_record",
    "write_records",
    "write_run",
]
