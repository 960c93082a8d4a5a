"""The gate: the only place where a tool runs, and every stage of it that fails denies.

validate → label → policy → approval → reserve → audit the intent → execute → validate and label the answer → audit the
outcome → close the journal. Until the tool begins, whatever goes wrong is a denial; from then on nobody says that
nothing happened unless the tool does.
"""

import time
from collections.abc import Callable, Sequence

from workbench.core import WorkbenchError, boundary, nearest
from workbench.safety import Label, Redactor, join, stray_paths
from workbench.tools.approvals import Approvals, question
from workbench.tools.call import Call, Decision, Result
from workbench.tools.errors import ToolError
from workbench.tools.execution import Ending, Execution
from workbench.tools.flow import concern, flow
from workbench.tools.journal import Action, Journal, Stage, action_key
from workbench.tools.passage import AuditLog, Passage, Stop
from workbench.tools.policy import Policy
from workbench.tools.state import State
from workbench.tools.switch import Switch
from workbench.tools.tool import Attempt, Tool

_UNSURE = "nobody knows whether it took place; do not try it again, a person looks into it"


class Gate:
    """Tools behind one policy. Safe under threads; processes share a state file, each with a gate of its own."""

    def __init__(
        self,
        tools: Sequence[Tool],
        policy: Policy,
        state: State,
        audit: AuditLog,
        *,
        redactor: Redactor | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Raises: ToolError if two tools share a name, or the policy was checked against other ones."""
        self._tools = {tool.spec.name: tool for tool in tools}
        if len(self._tools) < len(tools):
            names = [tool.spec.name for tool in tools]
            double = next(name for name in names if names.count(name) > 1)
            raise ToolError(f"tool {double!r}: is declared twice; a gate knows tools by their names")
        other = next((name for name, tool in self._tools.items() if policy.tools.get(name) != tool.digest), None)
        if other is not None:
            raise ToolError(
                f"tool {other!r}: is not as the policy was checked against; read the policy with these tools"
            )
        self._policy = policy
        self._audit = audit
        self._redactor = redactor if redactor is not None else Redactor()
        self._clock = clock
        self._execution = Execution(self._redactor, state.running)
        self._busy = state.busy
        self.switch = Switch(state, clock=clock)
        self.journal = Journal(state, clock=clock)
        self.approvals = Approvals(state, clock=clock)

    def call(self, call: Call) -> Result:
        """Do what a call asks for, if it may be done. Never raises for what a call, a tool or a store does."""
        passage = Passage(call=call, redactor=self._redactor, clock=self._clock)
        try:
            with boundary(ToolError, "gate"):
                return self._pass(passage)
        except Stop as stop:
            passage.approval_id = stop.approval_id or passage.approval_id
            ended = passage.result(stop.kind, stop.code, str(stop))
        except WorkbenchError:
            ended = _broken(passage)
        return self._told(passage, ended)

    def preview(self, call: Call) -> Decision:
        """What would be decided, without asking anybody, writing anything or running the tool."""
        passage = Passage(call=call, redactor=self._redactor, clock=self._clock)
        try:
            with boundary(ToolError, "gate"):
                return self._permitted(passage)
        except WorkbenchError as stop:
            reason = self._redactor.text(str(stop))
            return passage.decision.model_copy(update={"judgement": "denied", "reason": reason})

    def _pass(self, passage: Passage) -> Result:
        decision = self._permitted(passage)
        tool = _known(passage)
        if tool.facts.effect == "read":
            if decision.judgement == "needs_approval":
                self._approved(passage, tool, passage.call_id)
                self.approvals.spend(passage.approval_id, passage.call_id)
            return self._read(passage, tool)
        action = self._action(passage, tool)
        if decision.judgement == "needs_approval":
            before = self.journal.find(action.key)
            if before is not None and before.stage == "done" and before.arguments_digest == action.arguments_digest:
                return self._replay(passage, before)
            self._approved(passage, tool, action.key)
        return self._reserved(passage, tool, action.model_copy(update={"approval_id": passage.approval_id}))

    def _permitted(self, passage: Passage) -> Decision:
        """Validate, read the switch, label, ask the policy. Raises: Stop, or whatever fails, if it may not pass."""
        name = passage.call.tool
        tool = self._tools.get(name)
        passage.admit(tool)
        if tool is None:
            hint = nearest(self._redactor.text(name), self._tools)
            raise Stop("denied", "unknown_tool", f"there is no tool of that name; {hint}")
        if not passage.take(tool):
            raise Stop("denied", "bad_arguments", "the arguments do not fit the tool's schema")
        call = passage.call
        if stray_paths(call.arguments, call.labels):
            raise Stop("denied", "bad_labels", "a label stands at a path that is not in the arguments")
        if not self.switch.permits(effect=tool.facts.effect != "read"):
            raise Stop("denied", "stopped", "tools are switched off for now")
        found = passage.flow = flow(tool, call)
        decision = self._policy.decide(tool, call, found)
        passage.decision = decision
        if decision.judgement == "denied":
            raise Stop("denied", "forbidden", decision.reason)
        worry, facts = concern(tool, found), tool.facts
        if worry is not None and facts.approval == "never":
            passage.decision = decision.model_copy(update={"judgement": "denied", "reason": worry.reason})
            raise Stop("denied", worry.code, worry.reason)
        if worry is not None or facts.approval == "always":
            reason = worry.reason if worry is not None else "each call of this tool needs an approval"
            passage.decision = decision.model_copy(update={"judgement": "needs_approval", "reason": reason})
        return passage.decision

    def _approved(self, passage: Passage, tool: Tool, key: str) -> None:
        """Find the approval of just this call, or ask for it. Raises: Stop if there is none yet."""
        asked = question(
            tool, passage.call, policy_digest=self._policy.digest, reason=passage.decision.reason
        )  # digested anew: what was approved is compared with what would run
        found = self.approvals.find(asked.binding, key=key)
        if found is None:
            asking = self.approvals.ask(asked)
            if asking.stand == "denied":
                raise Stop("denied", "approval_denied", "a person denied it", approval_id=asking.approval_id)
            message = f"a person is asked to approve it: {passage.decision.reason}"
            raise Stop("pending", "approval_needed", message, approval_id=asking.approval_id)
        passage.approval_id = found.approval_id

    def _read(self, passage: Passage, tool: Tool) -> Result:
        """Run what changes nothing: no journal, for each time the world may answer anew."""
        self._audit.append(passage.intent())
        passage.attempt = 1
        ending = self._execution.run(
            tool,
            passage.call.arguments,
            _attempt(passage, tool, passage.call_id),
            permitted=lambda: self.switch.permits(effect=False),
        )
        return self._told(passage, _concluded(passage, tool, ending))

    def _action(self, passage: Passage, tool: Tool) -> Action:
        call = passage.call
        return Action.model_construct(
            key=action_key(tool, call),
            tenant=call.caller.tenant,
            tool=tool.spec.name,
            arguments_digest=passage.arguments_digest,
            call_id=passage.call_id,
            stage="reserved",
            owner="",
            attempt=0,
            approval_id="",
            result="",
            at=0.0,
        )

    def _reserved(self, passage: Passage, tool: Tool, wanted: Action) -> Result:
        """Reserve an action and do it, or say what became of it."""
        reservation = self.journal.reserve(wanted)
        action = reservation.action
        passage.call_id = action.call_id
        passage.found = reservation.standing != "ours"
        match reservation.standing:
            case "ours":
                return self._perform(passage, tool, action)
            case "done":
                return self._replay(passage, action)
            case "in_doubt":
                return self._settle(passage, tool, action)
            case "under_way":
                if self._left(action):
                    self.journal.move(action, "in_doubt")
                    return self._settle(passage, tool, action.model_copy(update={"stage": "in_doubt"}))
                raise Stop("in_doubt", "under_way", "the same action is under way; ask again a little later")
            case "parked":
                raise Stop("in_doubt", "parked", _UNSURE)
        raise Stop("denied", "conflict", "the same action was asked for with other arguments")

    def _perform(self, passage: Passage, tool: Tool, action: Action) -> Result:
        """Audit the intent, start and run."""
        passage.attempt = action.attempt + 1
        recorded = False
        try:
            self._audit.append(passage.intent())
            recorded = True
        finally:
            if not recorded:  # nothing began: it may be asked for again
                self._try_move(action, "in_doubt" if passage.doubted else "failed")
        self._busy.add(action.key)
        try:
            return self._started(passage, tool, action)
        finally:
            self._busy.discard(action.key)

    def _started(self, passage: Passage, tool: Tool, action: Action) -> Result:
        """Start, run and close."""
        passage.started = True  # whatever fails from here on leaves open whether the start was written
        number = self.journal.start(action.key, lasting=tool.facts.lasting)
        if number is None:
            passage.started = False
            self.journal.move(action, "in_doubt" if passage.doubted else "failed")
            if passage.doubted:
                raise Stop("in_doubt", "stopped", _UNSURE)
            raise Stop("denied", "stopped", "tools are switched off for now")
        passage.attempt = number
        action = action.model_copy(update={"stage": "started", "attempt": number})
        settled = False
        try:
            ending = self._execution.run(
                tool,
                passage.call.arguments,
                _attempt(passage, tool, action.key),
                permitted=lambda: self.switch.permits(effect=True),
            )
            result = self._closed(passage, tool, action, self._looked_up(passage, tool, action, ending))
            settled = True
        finally:
            if not settled:
                self._try_move(action, "in_doubt")
        return result

    def _settle(self, passage: Passage, tool: Tool, action: Action) -> Result:
        """An action whose end nobody saw: done again where that does no harm, else what the tool or a person says."""
        if tool.facts.repeatable:
            passage.doubted = True
            self.journal.move(action, "reserved")
            return self._perform(passage, tool, action.model_copy(update={"stage": "reserved"}))
        passage.started = True
        passage.attempt = action.attempt
        ending = self._looked_up(passage, tool, action, Ending(what="unknown", code="in_doubt"))
        if ending.what == "not_done":
            passage.started = False
            self.journal.move(action, "reserved")
            passage.found = False  # it is known that nothing happened
            return self._perform(passage, tool, action.model_copy(update={"stage": "reserved"}))
        return self._closed(passage, tool, action, ending)

    def _looked_up(self, passage: Passage, tool: Tool, action: Action, ending: Ending) -> Ending:
        """What is known once the tool was asked what became of it, where that is unknown."""
        if ending.what != "unknown" or tool.reconcile is None or ending.code == "deadline":
            return ending
        attempt = _attempt(passage, tool, action.key)
        found = self._execution.reconcile(tool, passage.call.arguments, attempt)
        if found.state == "unknown":
            return ending
        return Ending(what=found.state, value=found.value, code="not_done", message="it did not take place")

    def _closed(self, passage: Passage, tool: Tool, action: Action, ending: Ending) -> Result:
        """Audit what came of it, then close the journal; if either fails it is in doubt."""
        if ending.what == "not_done" and passage.doubted:
            ending = Ending(what="unknown", code=ending.code)
        result = _concluded(passage, tool, ending)
        self._audit.append(passage.outcome(result))
        if ending.what in {"done", "unusable"}:
            self.journal.move(action, "done", result=result.model_dump_json(), lasting=tool.facts.lasting)
        elif ending.what == "not_done":
            self.journal.move(action, "failed")
        elif ending.code != "deadline":  # what hangs is still at it: the journal says so until it ends
            self.journal.move(action, "parked" if tool.facts.idempotency == "none" else "in_doubt")
        return result

    def _left(self, action: Action) -> bool:
        """Whether this process began an action, left it at its deadline, and its tool has ended since."""
        begun = action.stage == "started" and action.owner == self.journal.owner
        return begun and action.key not in self._busy and not self._execution.running(action.key)

    def _try_move(self, action: Action, stage: Stage) -> None:
        """Say how an action was left, if the journal still takes it; else it stays so until this process ends."""
        try:
            self.journal.move(action, stage)
        except WorkbenchError:
            return

    def _replay(self, passage: Passage, action: Action) -> Result:
        """What came of it when it took place."""
        passage.found = True
        before = Result.model_validate_json(action.result)
        labels = (before.label,) if passage.flow is None else (before.label, passage.flow.whole)
        replayed = before.model_copy(update={"replayed": True, "label": join(labels)})
        return self._told(passage, replayed)

    def _told(self, passage: Passage, result: Result) -> Result:
        """The result, once the audit log holds it; what it does not hold is not handed out."""
        try:
            with boundary(ToolError, "audit log"):
                self._audit.append(passage.outcome(result))
        except WorkbenchError:
            return result if result.kind in {"denied", "in_doubt"} else _broken(passage)
        return result


def _known(passage: Passage) -> Tool:
    if passage.tool is None:
        raise ToolError("a call passed without a tool")
    return passage.tool


def _attempt(passage: Passage, tool: Tool, key: str) -> Attempt:
    caller = passage.call.caller
    return Attempt.model_construct(
        key=key,
        number=max(passage.attempt, 1),
        tenant=caller.tenant,
        principal=caller.principal,
        seconds=tool.facts.timeout_seconds,
    )


def _broken(passage: Passage) -> Result:
    """A stage failed: a denial before the tool began, a doubt afterwards, or if an earlier call may have begun it."""
    if passage.started or passage.doubted or passage.found:
        return passage.result("in_doubt", "gate_failed", _UNSURE)
    return passage.result("denied", "gate_failed", "it could not be checked or recorded, so it was not done")


def _concluded(passage: Passage, tool: Tool, ending: Ending) -> Result:
    """What a model may be told, and how far it may be trusted."""
    facts = tool.facts
    own = Label(integrity=facts.trust, confidentiality=facts.confidentiality, sources=(f"tool:{tool.spec.name}",))
    label = own if passage.flow is None else join((passage.flow.whole, own))
    match ending.what:
        case "done":
            return Result(call_id=passage.call_id, kind="done", value=ending.value, label=label)
        case "not_done":
            return passage.result("failed", ending.code, ending.message, label)
        case "unusable":
            message = "it took place, but its answer can't be used; do not repeat it"
            return passage.result("failed", "bad_answer", message, label)
        case "unknown":
            if facts.effect == "read":
                return passage.result("failed", ending.code, "the tool did not answer", label)
            return passage.result("in_doubt", ending.code, _UNSURE)
