"""Everything that defines an agent, as data."""

from typing import Literal

from pydantic import Field, JsonValue

from workbench.agents.schema import Arguments
from workbench.core import Record
from workbench.lms import LMSpec
from workbench.retrieval import IndexSpec

Layout = Literal["signature", "documented", "json"]
"""How a tool is written into a prompt: one line, one line for each argument, or its JSON."""


class Program(Record):
    """The learned part of an agent: what dspy's optimizers write."""

    predictors: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    """dspy's own state of each predictor by name: demos, instructions, field texts. Neither versions nor models."""


class AgentSpec(Record):
    """A configuration of an agent: what an optimizer searches and a package ships."""

    pattern: Literal["tool_call", "answer"] = "tool_call"
    lm: LMSpec = LMSpec()
    index: IndexSpec = IndexSpec(retriever="bm25")
    k: int = Field(default=1, ge=1, le=20)
    """How many retrieved documents the model sees; for tool calls, 1 lets retrieval choose the tool."""
    abstain_below: float = Field(default=0.0, ge=0, le=1)
    """Similarity in [0, 1] of request and best tool below which the agent abstains; 0 never does."""
    arguments: Arguments = "declared"
    layout: Layout = "json"
    demo_layout: Layout | None = None
    """How the tools of demos are written; None is as the request's own. A demo shows form more than meaning."""
    demos: int = Field(default=0, ge=0, le=16)
    """Solved requests shown before the request."""
    demo_choice: Literal["fixed", "nearest"] = "fixed"
    """The first ones of the program for every request, or those most like the request."""
    program: Program = Program()
