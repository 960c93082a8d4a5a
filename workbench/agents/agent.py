"""An agent: a spec, an index and a model, ready to answer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

import dspy
from dspy.utils.exceptions import LMError as DspyLMError

from workbench.agents.answerer import Answerer, AnswerFromPassages
from workbench.agents.layout import CompactAdapter
from workbench.agents.program import load_program, read_program
from workbench.agents.spec import AgentSpec
from workbench.agents.tool_caller import ChooseTool, FillArguments, ToolCaller
from workbench.core import AgentError, LMError, Prediction, ToolSpec, WorkbenchError, digest_json
from workbench.retrieval import ANYONE, Index, LiveIndex, View

_SIGNATURES: Mapping[str, Mapping[str, type[dspy.Signature]]] = {
    "tool_call": {"choose": ChooseTool, "fill": FillArguments},
    "answer": {"respond": AnswerFromPassages},
}
"""Of each pattern, the signature that each predictor begins with."""


class Agent:
    """Answers requests; safe to call from many threads at once."""

    def __init__(self, spec: AgentSpec, index: Index | LiveIndex, lm: dspy.LM, *, view: View = ANYONE) -> None:
        """`view` is that of a caller who does not say who asks.

        Raises: AgentError if the program does not fit the pattern, or the pattern the index.
        """
        self.spec = spec
        self.index = index
        self.lm = lm
        self.view = view
        self.adapter = CompactAdapter(spec.layout, demo_layout=spec.demo_layout)
        _check_index(spec, index)
        self.module = (
            Answerer(spec, index)
            if spec.pattern == "answer" or isinstance(index, LiveIndex)
            else ToolCaller(spec, index)
        )
        load_program(self.module, spec.program)

    @cached_property
    def digest(self) -> str:
        """Digest of spec and index: what decides how it answers.

        Of a live index that is what it is, not what it holds: that changes while the agent stays the same.
        """
        return digest_json({"spec": self.spec.digest, "index": self.index.digest})

    def __call__(self, request: str, view: View | None = None) -> Prediction:
        """Answer one request from what the caller may see; None is the agent's own view.

        Raises: LMError or BudgetExceeded if the model can't answer: not the agent's fault.
        """
        with self.speaking():
            prediction = self.module(request=request, view=self.view if view is None else view).prediction
        if not isinstance(prediction, Prediction):
            raise AgentError(f"agent {self.digest[:12]!r}: its module returned no prediction")
        return prediction

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """dspy's context of this agent, for this thread: its model and its prompt layout.

        dspy's context does not reach plain threads, so it is entered for each call. What dspy wraps comes
        out as the workbench's own error.
        """
        with dspy.context(lm=self.lm, adapter=self.adapter):
            try:
                yield
            except DspyLMError as cause:
                raise blamed(cause) from cause


def blamed(error: BaseException) -> WorkbenchError:
    """Our own error behind one that dspy wrapped, or an LMError with its text."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, WorkbenchError):
            return cause
        cause = cause.__cause__
    return LMError(f"language model: {type(error).__name__}: {error}")


def _check_index(spec: AgentSpec, index: Index | LiveIndex) -> None:
    if spec.pattern == "answer":
        return
    if isinstance(index, LiveIndex):
        raise AgentError(
            f"agent pattern 'tool_call': live index {str(index.folder)!r} is no catalogue; use pattern 'answer'"
        )
    if any(document.tool is None for document in index.corpus.documents):
        raise AgentError(f"agent pattern 'tool_call': corpus {index.corpus.name!r} has documents that are no tools")


def build_agent(spec: AgentSpec, *, index: Index | LiveIndex, lm: dspy.LM, view: View = ANYONE) -> Agent:
    """An agent from its data; `view` is that of a caller who does not say who asks.

    Raises: AgentError if the program does not fit the pattern, or if the index lacks what the spec asks for.
    """
    if index.spec != spec.index:
        raise AgentError(
            f"agent: asks for index {spec.index!r} but was given {index.spec!r}; build the one it asks for"
        )
    return Agent(spec, index, lm, view=view)


def prompt_template(agent: Agent) -> str:
    """The prompt of the predictor that answers, as its model sees it; what differs for each request in double braces.

    Demos that are chosen for each request stand as `{{nearest solved requests}}`.
    """
    predictor = getattr(agent.module, agent.module.taught)
    nearest = agent.spec.demo_choice == "nearest" and agent.spec.demos > 0
    demos = [] if nearest else predictor.demos[: agent.spec.demos]
    inputs: dict[str, object] = {name: f"{{{{{name}}}}}" for name in predictor.signature.input_fields}
    if "tool" in inputs:
        inputs["tool"] = ToolSpec(name="{{tool}}").model_dump_json()
    message = agent.adapter.format(predictor.signature, demos, inputs)[0]
    text = str(message["content"])
    if not nearest:
        return text
    instructions = predictor.signature.instructions.strip()
    return text.replace(instructions, f"{instructions}\n\n{{{{nearest solved requests: {agent.spec.demos}}}}}", 1)


def instructions(spec: AgentSpec) -> dict[str, str]:
    """What each predictor is told, by its name: the learned words, or those it begins with.

    >>> instructions(AgentSpec(pattern="answer"))
    {'respond': 'Answer the request from the passages.'}
    """
    found = {name: str(signature.instructions) for name, signature in _SIGNATURES[spec.pattern].items()}
    for name, state in spec.program.predictors.items():
        signature = state.get("signature")
        if isinstance(signature, dict) and "instructions" in signature:
            found[name] = str(signature["instructions"])
    return found


def learned(spec: AgentSpec, module: dspy.Module) -> AgentSpec:
    """The spec with what a dspy optimizer has written into a module of it."""
    return spec.model_copy(update={"program": read_program(module)})
