"""Searches over simulated experiments: catalogue, requests, model and agent are drawn by a seed, the search is real.

A part of `benchmarks.forecast`. The model is scripted and knows the answers; how it is as a model is drawn, too: how
many bytes its tokens have, how much it writes, how fast it is and how often it is right.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from dspy.lm15 import Message, Request, Response, TextPart, Usage

from workbench.agents import Agent, AgentSpec, build_agent
from workbench.core import Budget, Case, Corpus, ExpectedCall, Meter, ToolSpec, catalogue, digest_json, integer, stream
from workbench.lms import CallStore, LMSpec, Price, ScriptedEngine, scope, scripted_lm
from workbench.lms.embedded import WORKED
from workbench.optimize import Optimized, Space, Task, Trial, optimize, optimizer
from workbench.retrieval import Index, IndexSpec, build_index

SPACE: Space = {
    "demos": [0, 2, 4],
    "demo_choice": ["fixed", "nearest"],
    "layout": ["signature", "documented", "json"],
    "index.k1": [0.9, 1.2, 1.6],
}
RUN = "search"
TRAIN = 40
PROPOSER = LMSpec(
    model="scripted/proposer",
    temperature=1.0,
    max_tokens=512,
    price=Price(prompt_usd=1, completion_usd=4, date="2026-01-01"),
)
_WORDS = """
account area arrival balance booking branch cabin card city client coach code contract country currency date
deadline delivery deposit district document engine event exchange flight floor forecast garden guest harbour
hotel invoice island journey kitchen language licence luggage market meeting message mountain museum number
office order
"""
WORDS = _WORDS.split()
_MARKS = re.compile(r"`\[\[ ## (\w+) ## \]\]`")
_LONGEST_SECONDS = 29.0
"""A call that takes longer would be ended by its time limit."""


@dataclass(frozen=True)
class World:
    """What a search is about."""

    tools: Corpus
    train: tuple[Case, ...]
    val: tuple[Case, ...]

    @property
    def answers(self) -> dict[str, str]:
        """The right arguments by request."""
        pairs = ((case.request, case.expected) for case in (*self.train, *self.val))
        return {asked: json.dumps(right.example()) for asked, right in pairs if isinstance(right, ExpectedCall)}


def make_world(draw: Random) -> World:
    """Ten tools of one to five arguments, described at different length, and requests that name their values."""
    tools = tuple(_tool(draw, f"tool_{name}") for name in draw.sample(WORDS, 10))
    val = draw.choice((12, 16, 24))
    cases = tuple(_case(draw, number, draw.choice(tools)) for number in range(TRAIN + val))
    return World(catalogue("simulated", tools), cases[:TRAIN], cases[TRAIN:])


def _tool(draw: Random, name: str) -> ToolSpec:
    described = {
        word: {"type": "string", "description": " ".join(draw.choices(WORDS, k=draw.randint(3, 12)))}
        for word in draw.sample(WORDS, draw.randint(1, 5))
    }
    parameters = {"type": "object", "properties": described, "required": sorted(described)}
    text = f"{name} {' '.join(draw.choices(WORDS, k=draw.randint(5, 40)))}"
    return ToolSpec.model_validate({"name": name, "description": text, "parameters": parameters})


def _case(draw: Random, number: int, tool: ToolSpec) -> Case:
    values = {word: (f"{draw.choice(WORDS)} {draw.randint(1, 999)}",) for word in tool.properties}
    told = ", ".join(f"{word} {value}" for word, (value,) in values.items())
    return Case(
        case_id=f"case-{number:03}",
        request=f"Use {tool.name}: {told}. {' '.join(draw.choices(WORDS, k=draw.randint(0, 20)))}",
        expected=ExpectedCall.model_validate({"tool": tool, "arguments": values}),
        cluster=f"case-{number:03}",
    )


@dataclass(frozen=True)
class Temper:
    """How a simulated model is."""

    seed: int
    bytes_a_token: float
    talk: float
    """How much it writes against what would be right."""
    wait_seconds: float
    read_seconds: float
    """For each token of a prompt."""
    write_seconds: float
    """For each token of an answer."""
    right: float
    """Share of the requests that it answers rightly without demos; each demo adds a tenth."""


def draw_temper(draw: Random, *, hosted: bool) -> Temper:
    """Any model that one may meet, hosted or embedded on a machine of any speed."""
    pace = draw.uniform(0.5, 2.5)
    return Temper(
        seed=draw.getrandbits(32),
        bytes_a_token=draw.uniform(2.6, 5.2),
        talk=draw.uniform(0.5, 2.5),
        wait_seconds=draw.uniform(0.2, 4.0) if hosted else 0.0,
        read_seconds=0.0 if hosted else pace / 420,
        write_seconds=draw.uniform(0.01, 0.06) if hosted else pace / 70,
        right=draw.uniform(0.05, 0.8),
    )


class Model(ScriptedEngine):
    """A scripted model of some temper: as long and as slow as that, and never twice the same where it is sampled."""

    def __init__(self, temper: Temper, known: Mapping[str, str]) -> None:
        super().__init__(lambda _prompt: "")
        self.temper = temper
        self.known = known
        self.asked = 0

    def complete(self, request: Request) -> Response:
        """Arguments, or an instruction where one is asked for."""
        self.asked += 1
        temper, prompt = self.temper, "\n".join(message.text or "" for message in request.messages)
        nth = f"{self.asked}" if request.config.temperature else ""
        own = Random(integer(temper.seed, prompt, nth))
        text = self._fill(prompt, own) if prompt.endswith("Arguments:\n") else _instruct(prompt, own)
        written = len(text.encode()) / temper.bytes_a_token * temper.talk * own.lognormvariate(0, 0.3)
        tokens = min(max(1, round(written)), request.config.max_tokens or 128)
        read = round(len(prompt.encode()) / temper.bytes_a_token)
        seconds = temper.wait_seconds + temper.read_seconds * read + temper.write_seconds * tokens
        seconds *= own.lognormvariate(0, 0.3)
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant([TextPart(text)]),
            finish_reason="stop",
            usage=Usage(input_tokens=read, output_tokens=tokens),
            provider_data={WORKED: 1000 * min(seconds, _LONGEST_SECONDS)},
        )

    def _fill(self, prompt: str, own: Random) -> str:
        asked = prompt.rpartition("Request: ")[2].rpartition("\nArguments:")[0]
        luck = int(digest_json([self.temper.seed, asked])[:6], 16) / 16**6
        right = luck < self.temper.right + 0.1 * prompt.count("\nArguments:\n{")
        return self.known.get(asked, "{}") if right else json.dumps({own.choice(WORDS): "unknown"})


def _instruct(prompt: str, own: Random) -> str:
    """A few words, in each field that the prompt asks for."""
    text = " ".join(own.choices(WORDS, k=own.randint(5, 60)))
    fields = [
        name for name in dict.fromkeys(_MARKS.findall(prompt.rpartition("Respond with")[2])) if name != "completed"
    ]
    return "\n\n".join(f"[[ ## {name} ## ]]\n{text}" for name in fields) or text


@dataclass
class Simulation:
    """One search, ready to be run; whatever is drawn depends on the seed alone, not on the budget."""

    names: Sequence[str]
    """The optimizers, in order."""
    seed: int
    budget: Budget
    folder: Path
    on_trial: Callable[[Trial], None] = lambda _trial: None
    _indexes: dict[IndexSpec, Index] = field(default_factory=dict)

    def __post_init__(self) -> None:
        draw = stream(self.seed, *self.names)
        world = make_world(draw)
        price = Price(prompt_usd=draw.uniform(0.1, 3), completion_usd=draw.uniform(0.5, 12), date="2026-01-01")
        hosted = draw.random() < 0.5
        self.lm = LMSpec(model="scripted/model", price=price) if hosted else LMSpec()
        self.start = AgentSpec(lm=self.lm, layout=draw.choice(("signature", "documented", "json")))
        self.tools, self.meter, self.store = world.tools, Meter(self.budget), CallStore(self.folder / "calls.db")
        model = Model(draw_temper(draw, hosted=hosted), world.answers)
        adviser = Model(replace(draw_temper(draw, hosted=True), talk=1.0), {})
        self._model = scripted_lm(model, spec=self.lm, store=self.store, meter=self.meter)
        self.task = Task(
            train=world.train,
            val=world.val,
            build=self._build,
            meter=self.meter,
            seed=self.seed,
            proposer=scripted_lm(adviser, spec=PROPOSER, store=self.store, meter=self.meter),
            on_trial=self.on_trial,
        )

    def index(self, spec: IndexSpec) -> Index:
        """The catalogue's index."""
        if spec not in self._indexes:
            self._indexes[spec] = build_index(self.tools, spec)
        return self._indexes[spec]

    def run(self) -> Optimized:
        """Search until it is through or the budget ends it."""
        with scope(run=RUN):
            return optimize(self.start, [optimizer(name, SPACE) for name in self.names], self.task)

    def _build(self, spec: AgentSpec) -> Agent:
        return build_agent(spec, index=self.index(spec.index), lm=self._model)
