"""What an agent may do, who allowed it, and what happened: the one gate that every tool runs behind.

Open it to let an agent act: `declare` a typed function with its `Facts`, write Cedar policies, and call it through
`Gate(tools, policy, State(path), audit).call(call)`, which gives a `Result` whatever happens. `policy.py` is the one
door of cedarpy, with `policy_slices.py` and `policy_reading.py`. `check_vectors` tests policies before they are
asked in earnest. Tools of MCP servers and OpenAPI documents come from a file (`tool_file.py`) that pins their
descriptions; `mcp_server.py` is the one door of that protocol's client.

Why one gate: a check that stands beside the call can be left out. Why it fails closed: each stage that can't say yes
says no, and a stage that raises can't say yes. Why a journal under keys made of what an action is: a run that goes on
elsewhere must find what was done. Why approvals are held here and sealed: what a client carries, a client can forge.
Rates, calls at once and breakers are limited for each process; journal, approvals and the kill switch are shared by
all processes of one state, a file or a PostgreSQL database (`state_session.py` is the one door of psycopg here).
"""

from workbench.tools.approvals import Approval, Approvals, Question
from workbench.tools.audit_keys import AuditKeys, open_keys
from workbench.tools.audit_line import AuditLine
from workbench.tools.audit_log import LOG, ChainedLog
from workbench.tools.audit_reading import Verified, read, verify
from workbench.tools.call import AuditEntry, Call, Caller, Decision, Result
from workbench.tools.declarations import find_tool, read_tools
from workbench.tools.errors import NotDone, ToolError, Unusable
from workbench.tools.facts import Effect, Facts, Idempotency
from workbench.tools.gate import Gate
from workbench.tools.journal import Action, Journal, action_key
from workbench.tools.passage import AuditLog
from workbench.tools.policy import Policy, read_policy
from workbench.tools.policy_reading import Explanation, Reading, explain_call
from workbench.tools.rehearsal import DryRun, dry_run
from workbench.tools.retention import Forgotten, Schedule, forget, kept_tenants, read_schedule, retain
from workbench.tools.state import State, is_url
from workbench.tools.state_engine import Statements
from workbench.tools.switch import Position, Switch
from workbench.tools.tool import Attempt, Reconciled, Tool, declare
from workbench.tools.tool_file import Pin, imported, pins
from workbench.tools.vectors import (
    Change,
    Checked,
    Vector,
    check_vectors,
    compare_policies,
    find_vector,
    read_vectors,
)

__all__ = [
    "LOG",
    "Action",
    "Approval",
    "Approvals",
    "Attempt",
    "AuditEntry",
    "AuditKeys",
    "AuditLine",
    "AuditLog",
    "Call",
    "Caller",
    "ChainedLog",
    "Change",
    "Checked",
    "Decision",
    "DryRun",
    "Effect",
    "Explanation",
    "Facts",
    "Forgotten",
    "Gate",
    "Idempotency",
    "Journal",
    "NotDone",
    "Pin",
    "Policy",
    "Position",
    "Question",
    "Reading",
    "Reconciled",
    "Result",
    "Schedule",
    "State",
    "Statements",
    "Switch",
    "Tool",
    "ToolError",
    "Unusable",
    "Vector",
    "Verified",
    "action_key",
    "check_vectors",
    "compare_policies",
    "declare",
    "dry_run",
    "explain_call",
    "find_tool",
    "find_vector",
    "forget",
    "imported",
    "is_url",
    "kept_tenants",
    "open_keys",
    "pins",
    "read",
    "read_policy",
    "read_schedule",
    "read_tools",
    "read_vectors",
    "retain",
    "verify",
]
