"""A simulated task for searches: three tools, requests about towns, a model that learns from the demos it sees.

Everything in it bears the world's name, so a prompt tells whose it is: its requests, its tools and its demos.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace

import dspy
from dspy.lm15 import Request, Response
from pydantic import JsonValue

from workbench.agents import Agent, AgentSpec, build_agent
from workbench.core import Case, Corpus, ExpectedCall, Meter, ToolSpec, canonical_json, catalogue
from workbench.lms import CallStore, LMSpec, ScriptedEngine, scripted_lm
from workbench.lms.accounted import Engine
from workbench.lms.embedded import WORKED
from workbench.optimize import Optimized, Space, Task
from workbench.retrieval import Index, IndexSpec, build_index

DEMO = "Arguments:\n{"
"""Stands in a prompt once for each demo."""
SPACE: Space = {"demos": [0, 1, 2, 3], "demo_choice": ["fixed", "nearest"], "layout": ["signature", "json"]}
_TOWN: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"town": {"type": "string", "description": "Name of the town."}},
    "required": ["town"],
}
_TOOLS = {"weather": "Forecast of the weather.", "trains": "Departures of trains.", "hotels": "Free rooms in hotels."}
_WORDS = ("How will the weather be in", "When do trains leave from", "Find me free hotels in")


Build = Callable[[AgentSpec, Index, dspy.LM], Agent]


def _plain(spec: AgentSpec, index: Index, lm: dspy.LM) -> Agent:
    return build_agent(spec, index=index, lm=lm)


class Model(ScriptedEngine):
    """Answers by rule; the time it claims to have worked follows from the words, so it is the same in every run."""

    def complete(self, request: Request) -> Response:
        """The answer."""
        response = super().complete(request)
        return replace(response, provider_data={WORKED: 125.0 * (response.usage.input_tokens or 0)})


def pupil(prompt: str) -> str:
    """Fills in the town of the last request: of four it gets one right, and one more for each demo it sees."""
    town = re.findall(r"in (.*)\?|from (.*)\?", prompt.rpartition("Request: ")[2])[0]
    name = next(group for group in town if group)
    right = int(name.split()[-1]) % 4 <= prompt.count(DEMO)
    return json.dumps({"town": name if right else "nowhere"})


class World:
    """A task of its own name."""

    def __init__(self, name: str, *, engine: Engine) -> None:
        self.name = name
        self.engine = engine
        self.specs: dict[str, AgentSpec] = {}
        """Every candidate, by the name that the ledger gives it."""
        self._indexes: dict[IndexSpec, Index] = {}

    def cases(self, split: str, count: int) -> tuple[Case, ...]:
        """Case n asks the tool n mod 3 for a town of its own."""
        tools = self._tools()
        towns = [f"{self.name} {split.title()}ville {number}" for number in range(count)]
        return tuple(
            Case(
                case_id=f"{self.name}-{split}-{number:03}",
                request=f"{_WORDS[number % 3]} {town}?",
                expected=ExpectedCall(tool=tools[number % 3], arguments={"town": [town]}),
                cluster=town,
            )
            for number, town in enumerate(towns)
        )

    def task(self, meter: Meter, *, store: CallStore | None, seed: int, val: int = 24, build: Build = _plain) -> Task:
        """A search for an agent of this world."""
        lm = scripted_lm(self.engine, store=store, meter=meter)

        def built(spec: AgentSpec) -> Agent:
            if spec.index not in self._indexes:
                self._indexes[spec.index] = build_index(self.corpus(), spec.index)
            agent = build(spec, self._indexes[spec.index], lm)
            self.specs[agent.digest[:12]] = spec
            return agent

        train, cases = self.cases("train", 8), self.cases("val", val)
        return Task(train=train, val=cases, build=built, meter=meter, seed=seed, workers=2)

    def corpus(self) -> Corpus:
        """The tools."""
        return catalogue(self.name, self._tools())

    def _tools(self) -> tuple[ToolSpec, ...]:
        described = _TOOLS.items()
        return tuple(
            ToolSpec(name=name, description=f"{text} {self.name}", parameters=_TOWN) for name, text in described
        )


def start() -> AgentSpec:
    """The agent that searches begin with: it sees no demo."""
    return AgentSpec(lm=LMSpec(model="scripted"), layout="signature", arguments="required")


def outcome(found: Optimized) -> bytes:
    """What an optimization came to: all but digests of runs, which hold how long each step took."""
    report = {"report": {"run_digest"}}
    return canonical_json(found.model_dump(mode="json", exclude={"best": report, "trials": {"__all__": report}}))
