"""The only way a pattern acts: some tools of a gate, and a file that knows each call before it is made."""

import secrets
import time
from collections.abc import Iterable, Sequence

from workbench.agents.asking import shown
from workbench.agents.layout import render_tool
from workbench.agents.outcome import Act, Known, Outcome, OutcomeKind
from workbench.agents.run_state import Pattern, Runs, RunState
from workbench.core import AgentError, BudgetExceeded, LMError
from workbench.safety import Label, join
from workbench.tools import Call, Caller, Gate, Result, Tool


class Toolbox:
    """Tools that an agent is offered; the gate may have others. Safe under threads."""

    def __init__(self, gate: Gate, tools: Sequence[Tool], runs: Runs) -> None:
        self.gate = gate
        self.runs = runs
        self.tools = {tool.spec.name: tool for tool in tools}

    def shown(self) -> list[str]:
        """The tools as a prompt shows them, in their order."""
        return [render_tool(tool.spec, "documented") for tool in self.tools.values()]

    def begin(
        self, pattern: Pattern, request: str, *, caller: Caller, occasion: str, label: Label, known: Sequence[Known]
    ) -> RunState:
        """A new run, written down, under a name that nobody guesses; without an occasion it is one by itself.

        Raises: AgentError if the file refuses.
        """
        run_id = secrets.token_hex(12)
        state = RunState(
            run_id=run_id,
            pattern=pattern,
            request=request,
            label=label,
            caller=caller,
            occasion=occasion or run_id,
            known=tuple(known),
        )
        return self.runs.begin(state)

    def find(self, pattern: Pattern, run_id: str, caller: Caller) -> RunState:
        """A run to go on with. Raises: AgentError if the caller has no such run of that pattern."""
        state = self.runs.find(run_id, caller)
        if state.pattern != pattern:
            raise AgentError(f"run {run_id!r}: is of pattern {state.pattern!r}; resume it with that one")
        return _mine(state, caller)

    def reply(self, pattern: Pattern, run_id: str, text: str, *, caller: Caller, label: Label) -> RunState:
        """A run whose question the user has answered, written down.

        Raises: AgentError if the caller has no such run of that pattern, or it has not asked.
        """
        state = self.find(pattern, run_id, caller)
        asked = state.ended
        if asked is None or asked.kind != "clarify":
            raise AgentError(f"run {run_id!r}: has asked nothing; resume it, or begin another")
        said = (
            Known(name="you asked the user", value=asked.text, label=asked.label),
            Known(name="the user said", value=text, label=label),
        )
        return self.runs.save(state.model_copy(update={"known": (*state.known, *said), "outcome": None}))

    def act(self, state: RunState, call: Call) -> RunState:
        """Make a call, written down before and after; the run has an outcome if it can't go on.

        It can't while the call waits for a person's approval, or nobody knows whether it took place: the call stays
        the one to make next.

        Raises: AgentError if another went on with the run, before anything is done; or if the file refuses.
        """
        if call.tool not in self.tools:
            raise AgentError(f"tool {call.tool!r}: is not offered to this agent")
        state = self.runs.save(state.model_copy(update={"waiting": call, "outcome": None}))
        started, clock = self.runs.clock(), time.perf_counter()
        result = self.gate.call(call)
        if result.kind in {"pending", "in_doubt"}:
            kind: OutcomeKind = "confirm" if result.kind == "pending" else "handed_over"
            ended = outcome(state, kind, result.message, code=result.code)
            waits = ended.model_copy(update={"approval_id": result.approval_id, "label": result.label})
            return self.runs.save(state.model_copy(update={"outcome": waits}))
        act = Act(
            call=call,
            result=result,
            label=self._learned(call, result),
            started=started,
            milliseconds=(time.perf_counter() - clock) * 1000,
        )
        return self.runs.save(state.model_copy(update={"waiting": None, "work": (*state.work, act)}))

    def unasked(self, state: RunState, error: LMError | BudgetExceeded) -> Outcome:
        """End a run whose model can't be asked, until it is resumed."""
        code = "budget" if isinstance(error, BudgetExceeded) else "model_failed"
        return self.end(state, "failed", "the model could not be asked", code=code)

    def end(self, state: RunState, kind: OutcomeKind, text: str, *, code: str = "") -> Outcome:
        """End a run. Raises: AgentError if another went on with it, or the file refuses."""
        ended = outcome(state, kind, text, code=code)
        self.runs.save(state.model_copy(update={"outcome": ended}))
        return ended

    def _learned(self, call: Call, result: Result) -> Label:
        """How far what is known now may be trusted: no further than what was asked.

        Where a tool ran, also that it failed may be the doing of whoever writes what it returns. That the gate denied
        adds nothing: otherwise what a person denied would be another question afterwards.
        """
        if result.kind == "denied":
            return join(tuple(call.labels.values()))
        facts = self.tools[call.tool].facts
        own = Label(integrity=facts.trust, confidentiality=facts.confidentiality, sources=(f"tool:{call.tool}",))
        returned = (result.label,) if result.kind == "done" else ()
        return join((*call.labels.values(), own, *returned))


def given(state: RunState) -> Label:
    """The label of whatever a model makes that was shown a run's request and what is known beside it."""
    return join(tuple(dict.fromkeys((state.label, *(one.label for one in state.known)))))


def seen(state: RunState) -> Label:
    """The label of whatever a model makes that was shown all of a run: the join over all of it."""
    return join(tuple(dict.fromkeys((given(state), *(act.label for act in state.work)))))


def outcome(state: RunState, kind: OutcomeKind, text: str, *, code: str = "") -> Outcome:
    """How a run stands."""
    return Outcome(
        run_id=state.run_id,
        kind=kind,
        text=text,
        label=seen(state),
        code=code,
        request=state.request,
        work=state.work,
    )


def told(known: Iterable[Known], work: Sequence[Act]) -> list[str]:
    """What is known, a line each, as a prompt shows it: of a failure its message, which the gate has scrubbed."""
    lines = [f"{one.name}: {shown(one.value)}" for one in known]
    for number, act in enumerate(work, start=1):
        result = act.result
        what = shown(result.value if result.kind == "done" else result.message)
        lines.append(f"{number}. {act.call.tool}({shown(act.call.arguments)}) -> {result.kind}: {what}")
    return lines or ["nothing yet"]


def _mine(state: RunState, caller: Caller) -> RunState:
    """A run as its person goes on with it: with the roles that they have now, not those that they had.

    The session stays, for it is part of what was approved.
    """
    caller = state.caller.model_copy(update={"roles": caller.roles})
    waiting = None if state.waiting is None else state.waiting.model_copy(update={"caller": caller})
    return state.model_copy(update={"caller": caller, "waiting": waiting})
