"""A small world to optimize in: three tools, requests about towns, and a model that learns from the demos it sees."""

import json
import re
from collections.abc import Callable, Sequence

from pydantic import JsonValue

from workbench.agents import Agent, AgentSpec, build_agent
from workbench.core import Budget, Case, Corpus, ExpectedAbstention, ExpectedCall, Meter, ToolSpec, catalogue
from workbench.lms import CallStore, LMSpec, ScriptedEngine, scripted_lm
from workbench.optimize import Optimizer, Space, Task, optimizer
from workbench.retrieval import Index, IndexSpec, build_index

Answer = Callable[[str], str]
RUN = "optimize-0"
AMPLE = Budget(calls=10_000)
SPACE: Space = {"demos": [0, 1, 3], "demo_choice": ["fixed", "nearest"], "layout": ["signature", "json"]}

_TOWN: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"town": {"type": "string", "description": "Name of the town."}},
    "required": ["town"],
}
TOOLS = (
    ToolSpec(name="weather", description="Forecast of the weather.", parameters=_TOWN),
    ToolSpec(name="trains", description="Departures of trains.", parameters=_TOWN),
    ToolSpec(name="hotels", description="Free rooms in hotels.", parameters=_TOWN),
)
_WORDS = ("How will the weather be in", "When do trains leave from", "Find me free hotels in")


def catalogue_of_towns() -> Corpus:
    """The three tools."""
    return catalogue("towns", TOOLS)


def case(number: int, *, split: str = "val") -> Case:
    """Case number n asks the tool n mod 3 for a town of its own."""
    town = f"{split.title()}ville {number}"
    return Case(
        case_id=f"{split}-{number:03}",
        request=f"{_WORDS[number % 3]} {town}?",
        expected=ExpectedCall(tool=TOOLS[number % 3], arguments={"town": [town]}),
        cluster=f"{split}-{number}",
    )


def stray(number: int) -> Case:
    """A training case that no tool serves."""
    return Case(
        case_id=f"stray-{number:03}",
        request=f"Sing me song number {number}.",
        expected=ExpectedAbstention(),
        cluster=f"stray-{number}",
    )


TRAIN = (*(case(number, split="train") for number in range(8)), stray(0))
VAL = tuple(case(number) for number in range(12))


ADVICE = "Copy the town from the request."


def pupil(prompt: str) -> str:
    """Fills the town of the last request; of four requests it gets one right, and one more for each demo it sees.

    Told to copy the town it gets one more still.
    """
    town = re.findall(r"in (.*)\?|from (.*)\?", prompt.rpartition("Request: ")[2])[0]
    name = next(group for group in town if group)
    hints = prompt.count("Arguments:\n{") + (ADVICE in prompt)
    right = int(name.split()[-1]) % 4 <= hints
    return json.dumps({"town": name if right else "nowhere"})


def saying(words: str) -> Answer:
    """A proposer that says the same in every field it is asked for, as dspy's chat layout wants it."""

    def answer(prompt: str) -> str:
        asked = re.findall(r"`\[\[ ## (\w+) ## \]\]`", prompt.rpartition("Respond with")[2])
        fields = {name: words for name in asked if name != "completed"}
        if "module_advice" in fields:
            fields["module_advice"] = json.dumps({"fill": words})
        return "\n".join(f"[[ ## {name} ## ]]\n{text}" for name, text in fields.items()) or words

    return answer


proposer = saying(ADVICE)


class World:
    """A task over the small world, with the engines' own counters."""

    def __init__(
        self,
        *,
        budget: Budget = AMPLE,
        answer: Answer = pupil,
        store: CallStore | None = None,
        seed: int = 1,
        workers: int = 2,
        propose: Answer | None = None,
    ) -> None:
        self.meter = Meter(budget)
        self.engine = ScriptedEngine(answer)
        self.adviser = ScriptedEngine(propose or proposer)
        self.specs: list[AgentSpec] = []
        self._lm = scripted_lm(self.engine, store=store, meter=self.meter)
        self._indexes: dict[IndexSpec, Index] = {}
        said = LMSpec(model="scripted", temperature=1.0, max_tokens=512)
        advice = scripted_lm(self.adviser, spec=said, store=store, meter=self.meter)
        self.task = Task(
            train=TRAIN,
            val=VAL,
            build=self._build,
            meter=self.meter,
            seed=seed,
            workers=workers,
            proposer=advice if propose is not None else None,
        )

    @property
    def calls(self) -> int:
        """Calls both engines have really answered."""
        return self.engine.calls + self.adviser.calls

    def _build(self, spec: AgentSpec) -> Agent:
        self.specs.append(spec)
        if spec.index not in self._indexes:
            self._indexes[spec.index] = build_index(catalogue_of_towns(), spec.index)
        return build_agent(spec, index=self._indexes[spec.index], lm=self._lm)


def start() -> AgentSpec:
    """The agent every search begins with: right for three of the twelve validation cases."""
    return AgentSpec(lm=LMSpec(model="scripted"), layout="signature", arguments="required")


def make(names: Sequence[str]) -> list[Optimizer]:
    """Optimizers by name, over the space of the small world."""
    knobs: Space = {**SPACE, "index.k1": [0.9, 1.2]}
    return [optimizer(name, knobs) for name in names]
