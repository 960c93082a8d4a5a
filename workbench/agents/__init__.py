"""Agents: dspy modules that answer requests, defined by data alone.

One function to call: `build_agent(spec, index=index, lm=lm)` gives a callable, request in, `Prediction` out.
Two patterns: `tool_call` (retrieve tools → choose → fill arguments, or abstain) and `answer` (retrieve
passages → answer). `Oracle` and `Silent` calibrate metrics.

Agents that act do so through a gate alone: `ToolLoop` decides step by step, `PlanExecute` before it reads anything,
`Quarantine` turns what anybody wrote into typed values, a `Checker` agrees or a person goes on. Each ends in a typed
`Outcome`; what waits for an approval is kept in `Runs` and resumed. `Memory` keeps tenants apart and forgets in time.

Why data: an `AgentSpec` holds every knob and the learned program as JSON, so a search can vary it, a
digest can name it, and a package can ship it without a class, a pickle or a key inside. Why our own
prompt layout: dspy's adapters write field markers that a small base model can't follow; the compact one
puts what repeats first and lets demo and constraint agree on the first token.
"""

from workbench.agents.agent import Agent, blamed, build_agent, instructions, learned, prompt_template
from workbench.agents.asking import Speaker
from workbench.agents.baselines import Oracle, Silent
from workbench.agents.citation import Citation, citations, cite
from workbench.agents.embedding import connect_embedding
from workbench.agents.layout import CompactAdapter, render_tool
from workbench.agents.memory import Memory
from workbench.agents.outcome import Act, Known, Limits, Outcome
from workbench.agents.plan import Plan
from workbench.agents.plan_execute import PlanExecute
from workbench.agents.planner import Planner
from workbench.agents.program import load_program, read_program
from workbench.agents.quarantine import Choice, Day, Extract, Number, Quarantine, Words
from workbench.agents.run_state import Runs, RunState
from workbench.agents.schema import Arguments, argument_schema
from workbench.agents.solved import examples
from workbench.agents.spec import AgentSpec, Layout, Program
from workbench.agents.tool_loop import ToolLoop
from workbench.agents.toolbox import Toolbox
from workbench.agents.verified import Checker, VerifiedAnswer

__all__ = [
    "Act",
    "Agent",
    "AgentSpec",
    "Arguments",
    "Checker",
    "Choice",
    "Citation",
    "CompactAdapter",
    "Day",
    "Extract",
    "Known",
    "Layout",
    "Limits",
    "Memory",
    "Number",
    "Oracle",
    "Outcome",
    "Plan",
    "PlanExecute",
    "Planner",
    "Program",
    "Quarantine",
    "RunState",
    "Runs",
    "Silent",
    "Speaker",
    "ToolLoop",
    "Toolbox",
    "VerifiedAnswer",
    "Words",
    "argument_schema",
    "blamed",
    "build_agent",
    "citations",
    "cite",
    "connect_embedding",
    "examples",
    "instructions",
    "learned",
    "load_program",
    "prompt_template",
    "read_program",
    "render_tool",
]
