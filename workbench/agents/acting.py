"""A run of an agent that acts: begun, gone on with after a wait or a death, and answered when it has asked."""

from collections.abc import Sequence
from typing import ClassVar

import dspy

from workbench.agents.outcome import Known, Outcome
from workbench.agents.run_state import Pattern, RunState
from workbench.agents.toolbox import Toolbox
from workbench.lms import scope
from workbench.safety import USER, Label
from workbench.tools import Caller


class ActingAgent(dspy.Module):
    """What `ToolLoop` and `PlanExecute` have in common: whoever makes another pattern writes its steps alone."""

    pattern: ClassVar[Pattern]
    toolbox: Toolbox

    def run(
        self, request: str, *, caller: Caller, occasion: str = "", label: Label = USER, known: Sequence[Known] = ()
    ) -> Outcome:
        """Do a request, as far as it goes; `label` is that of the request.

        The model is shown what is known beside the request: if anything of it is untrusted, so is what it writes. Two
        equal calls for one occasion are one action, also across runs.

        Raises: AgentError if the run can't be written down, or another goes on with it.
        """
        begun = self.toolbox.begin(self.pattern, request, caller=caller, occasion=occasion, label=label, known=known)
        return self._go_on(begun)

    def resume(self, run_id: str, *, caller: Caller) -> Outcome:
        """Go on with a run that waits, was killed, or whose model could not be asked; of another, how it ended.

        Raises: AgentError as `run` does, or if the caller has no such run.
        """
        state = self.toolbox.find(self.pattern, run_id, caller)
        return state.ended or self._go_on(state)

    def reply(self, run_id: str, text: str, *, caller: Caller, label: Label = USER) -> Outcome:
        """Go on with a run that asked the user, now that they have answered.

        Raises: AgentError as `resume` does, or if it has not asked.
        """
        return self._go_on(self.toolbox.reply(self.pattern, run_id, text, caller=caller, label=label))

    def _go_on(self, state: RunState) -> Outcome:
        with scope(tenant=state.caller.tenant):  # no tenant is given an answer that another paid for
            return self._steps(state)

    def _steps(self, state: RunState) -> Outcome:
        """All that is left to do."""
        raise NotImplementedError
