"""The planner: makes a whole plan from a request and the tools, and has it checked before anything is done."""

import json

import dspy
from pydantic import JsonValue

from workbench.agents.actions import Ask, HandOver
from workbench.agents.asking import Asked, Question, Speaker
from workbench.agents.plan import Constant, Plan, PlannedStep, objections
from workbench.agents.run_state import RunState
from workbench.agents.toolbox import Toolbox, given, told
from workbench.agents.verified import Checker, agree
from workbench.core import Record
from workbench.tools import Call


class MakePlan(dspy.Signature):
    """Plan all calls of tools that do what the user asks for, before any is made; none can be added later.

    Say one JSON object: {"next": {"steps": [{"tool": "…", "arguments": {"name": …}}]}}. An argument is a constant
    {"value": …}, a part of what an earlier step returns {"step": 1, "pointer": "/name"}, or a typed value to be read
    out of that {"step": 1, "pointer": "/text", "question": "…", "shape": {"kind": "words"}}; kinds are choice (among),
    number (least, most, whole), date and words (most). Or ask the user for what is missing {"next": {"ask": "…"}}, or
    hand over to a person {"next": {"hand_over": "why"}}.
    """

    tools: list[str] = dspy.InputField()
    request: str = dspy.InputField()
    known: list[str] = dspy.InputField()
    remark: str = dspy.InputField()
    plan: str = dspy.OutputField()


class Proposal(Record):
    """What a planner says."""

    next: Plan | Ask | HandOver


class Planned(Record):
    """What came of planning."""

    proposal: Proposal | None
    """None if no output was one."""
    objection: str
    """What is left against it; empty if nothing is."""
    tokens: int


_SCHEMA: dict[str, JsonValue] = Proposal.model_json_schema()


class Planner(dspy.Module):
    """Plans with one model; a second one agrees, if there is one. Predictors: `plan`, `checker.check`."""

    def __init__(self, speaker: Speaker, *, checker: Checker | None = None) -> None:
        super().__init__()
        self.speaker = speaker
        self.checker = checker
        self.plan = dspy.Predict(MakePlan)

    def propose(self, state: RunState, toolbox: Toolbox) -> Planned:
        """A plan for a run, or another word of the planner; proposed once more if something is against it.

        Raises: LMError or BudgetExceeded if a model can't be asked.
        """
        tools = [
            f"{shown}\nreturns {json.dumps(tool.returns, ensure_ascii=False)}"
            for shown, tool in zip(toolbox.shown(), toolbox.tools.values(), strict=True)
        ]
        question = Question(predictor=self.plan, form=Proposal, schema=_SCHEMA)
        known = told(state.known, ())
        inputs = {"tools": tools, "request": state.request, "known": known}
        spent: list[int] = []

        def propose(remark: str) -> Asked[Proposal]:
            asked = self.speaker.once(question, inputs, remark=remark)
            spent.append(asked.tokens)
            return asked

        def object_to(asked: Asked[Proposal]) -> str:
            if asked.record is None:
                return asked.problem
            plan = asked.record.next
            if not isinstance(plan, Plan):
                return ""
            against = objections(plan, toolbox.tools) or forbidden(plan, state, toolbox)
            if against or self.checker is None:
                return "; ".join(against)
            text = plan.model_dump_json()
            objection, tokens = self.checker.objection(state.request, text, known=[*known, *tools])
            spent.append(tokens)
            return objection

        last = agree(propose, object_to).last
        return Planned(proposal=last.proposal.record, objection=last.objection, tokens=sum(spent))


def forbidden(plan: Plan, state: RunState, toolbox: Toolbox) -> tuple[str, ...]:
    """Steps that the gate would deny as things stand; only those that the plan alone makes up can be told yet."""
    return tuple(
        f"step {number}: it is not allowed"
        for number, step in enumerate(plan.steps, start=1)
        if all(isinstance(one, Constant) for one in step.arguments.values())
        and toolbox.gate.preview(_constant(step, state)).judgement == "denied"
    )


def _constant(step: PlannedStep, state: RunState) -> Call:
    return Call(
        tool=step.tool,
        arguments={name: one.value for name, one in step.arguments.items() if isinstance(one, Constant)},
        labels={"": given(state)},
        caller=state.caller,
        occasion=state.occasion,
    )
