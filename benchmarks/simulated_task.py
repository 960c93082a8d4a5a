"""A task whose truth is known, for real dspy programs, searches and optimizers, on a model that answers by rule.

What is true: a case has a difficulty of its own, and a prompt moves the mean success of all cases by so many points,
its *effect*. Whether one prompt solves one case is a coin with that chance, thrown once: a digest of seed, prompt and
case. So the same prompt always gets the same answer, another prompt on the same case another coin, and the true score
of a candidate is known exactly, whatever it happened to score on the cases that were drawn.

Difficulties are drawn from a beta distribution, so that two prompts without a difference agree on a case more often
than coins would: by the correlation `alike`. Agents are alike in what they find hard; a paired test lives from it.
Source: Skellam 1948, A Probability Distribution Derived from the Binomial Distribution, JRSS B 10(2), where 1 / (1 +
a + b) is the correlation of two throws on one case.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import dspy
from pydantic import JsonValue

from workbench.agents import Agent, AgentSpec, build_agent, learned
from workbench.agents.tool_caller import ToolCaller
from workbench.core import Budget, Case, ExpectedCall, Meter, Run, Split, ToolSpec, catalogue, digest_json, stream
from workbench.evals import EvaluationRequest, evaluate
from workbench.lms import CallStore, LMSpec, ScriptedEngine, scripted_lm
from workbench.optimize import Task, Trial
from workbench.retrieval import build_index

SOURCE = "simulated"
METRIC = "task_success"
MOST_DEMOS = 16
"""As many as an agent can show."""
TOOL = ToolSpec(
    name="look_up",
    description="Look up what a code stands for.",
    parameters={"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
)
_REQUEST = re.compile(r"Request: (Look up code (\w+) for me\.)\n")
_FIELD = re.compile(r"Respond with a JSON object in the following order of fields: `(\w+)`")


class Shown(NamedTuple):
    """What a prompt shows beside the request."""

    text: str
    """All of it."""
    instructions: str
    demos: int


Effect = Callable[[Shown], float]
"""By how much a prompt raises the mean success of all cases, in [-1, 1]; 0.08 are eight points."""


@dataclass(frozen=True)
class Family:
    """What is true of a task."""

    name: str
    effect: Effect
    rate: float = 0.7
    """Mean success over all cases of a prompt without effect."""
    alike: float = 0.67
    """Correlation in (0, 1) of the outcomes of two prompts without effect on the same case.

    As recorded: the median over seven models of agentdyn, with a changed prompt against without (0.54 to 0.92).
    """

    def chance(self, seed: int, case_id: str, effect: float) -> float:
        """The chance that a prompt of that effect solves a case; over all cases it is `rate` + effect.

        What fails at the outset is solved with the same chance whatever the case, and the other way round.
        """
        both = 1 / self.alike - 1
        base = stream(seed, "difficulty", case_id).betavariate(self.rate * both, (1 - self.rate) * both)
        room = 1 - self.rate if effect > 0 else self.rate
        return base + effect * ((1 - base) if effect > 0 else base) / room

    def truth(self, effect: float) -> float:
        """The true score: over all cases there could be."""
        return self.rate + effect


def nothing_helps(_shown: Shown) -> float:
    """No prompt is better than another."""
    return 0.0


NULL = Family("no prompt has an effect", nothing_helps)


def demos_help(gain: float, *, least: int = 4) -> Family:
    """Prompts that show at least so many solved requests are truly better by `gain`, all alike."""
    return Family(f"{gain:+.0%} from {least} demos on", lambda shown: gain if shown.demos >= least else 0.0)


class Draw(NamedTuple):
    """How many cases are drawn."""

    train: int = 60
    val: int = 100
    test: int = 300


DRAW = Draw()


@dataclass(frozen=True)
class Truth:
    """The engine's rule: reads a prompt, throws its coin."""

    family: Family
    seed: int

    def __call__(self, prompt: str) -> str:
        """The right arguments or wrong ones."""
        shown, case_id, code = read(prompt)
        key = "\x1f".join((str(self.seed), case_id, hashlib.sha256(shown.text.encode()).hexdigest()))
        coin = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
        solved = coin < self.family.chance(self.seed, case_id, self.family.effect(shown))
        return json.dumps({"code": code if solved else "none"})


def read(prompt: str) -> tuple[Shown, str, str]:
    """What a prompt shows beside the request, the id of the case that is asked, and its code."""
    found = list(_REQUEST.finditer(prompt))[-1]
    text = prompt[: found.start()] + prompt[found.end() :]
    instructions = "" if prompt.startswith("Tool: ") else prompt.partition("\n\nTool: ")[0]
    return Shown(text, instructions, prompt.count("\nArguments:\n{")), f"case-{found[2]}", found[2]


def adviser(seed: int) -> Callable[[str], str]:
    """A model that writes instructions: another one each time it is asked, as one that samples does.

    It answers in the form it is asked for: a JSON object with one field, or plain text.
    """
    asked = count()

    def write(prompt: str) -> str:
        text = f"Call the tool in manner {stream(seed, 'advice', str(next(asked))).getrandbits(32):08x}; copy the code."
        return asked_field(prompt, text)

    return write


def asked_field(prompt: str, text: str) -> str:
    """A text in the form that a prompt asks for: a JSON object with one field, or the text itself."""
    wanted = _FIELD.findall(prompt)
    return json.dumps({wanted[-1]: text}) if wanted else text


class Filler(ToolCaller):
    """The agent's program without the predictor that is never asked here: peers optimize what counts, only."""

    def __deepcopy__(self, memo: dict[int, object]) -> "Filler":
        """The predictor is copied, the index is shared."""
        copied = Filler(self.spec, self.index)
        copied.fill = self.fill.deepcopy()
        return copied

    def named_predictors(self) -> list[tuple[str, dspy.Predict]]:
        """The one that fills arguments."""
        return [("fill", self.fill)]


class World:
    """One drawn task of a family: cases, models with their own counters, and the truth of every candidate."""

    def __init__(
        self,
        family: Family,
        seed: int,
        *,
        draw: Draw = DRAW,
        store: CallStore | None = None,
        writer: Callable[[int], Callable[[str], str]] = adviser,
    ) -> None:
        self.family = family
        self.seed = seed
        self.engine = ScriptedEngine(Truth(family, seed))
        self.adviser = ScriptedEngine(writer(seed))
        self.meter = Meter(Budget())
        self.lm = scripted_lm(self.engine, store=store, meter=self.meter)
        advice = LMSpec(model="scripted", temperature=1.0, max_tokens=512)
        self.proposer = scripted_lm(self.adviser, spec=advice, store=store, meter=self.meter)
        self.train, self.val, self.test = (_cases(name, size) for name, size in zip(("1", "2", "3"), draw, strict=True))
        self.start = AgentSpec(lm=LMSpec(model="scripted"), layout="signature", arguments="required")
        self._index = build_index(catalogue("codes", (TOOL,)), self.start.index)

    def task(self, *, budget: Budget | None = None, on_trial: Callable[[Trial], None] | None = None) -> Task:
        """The task for our own optimizers; the test is not in it."""
        if budget is not None:
            self.meter.budget = budget
        return Task(
            train=self.train,
            val=self.val,
            build=self.build,
            meter=self.meter,
            seed=self.seed,
            workers=1,
            proposer=self.proposer,
            on_trial=on_trial or (lambda _trial: None),
        )

    def build(self, spec: AgentSpec) -> Agent:
        """An agent of a spec, on this world's model."""
        return build_agent(spec, index=self._index, lm=self.lm)

    def program(self) -> Filler:
        """What a peer optimizes: the program of the start, which shows whatever demos it is given.

        Run it inside `build(start).speaking()`.
        """
        return Filler(self.start.model_copy(update={"demos": MOST_DEMOS}), self._index)

    def candidate(self, program: Filler) -> AgentSpec:
        """A program that a peer returned, as a spec that shows all of its demos."""
        return learned(self.start, program).model_copy(update={"demos": len(program.fill.demos)})

    def prompt(self, spec: AgentSpec) -> str:
        """What a candidate with fixed demos asks for the first case of the test; the call is not counted."""
        seen: list[str] = []

        def listen(prompt: str) -> str:
            seen.append(prompt)
            return "{}"

        build_agent(spec, index=self._index, lm=scripted_lm(listen))(self.test[0].request)
        return seen[-1]

    def effect(self, spec: AgentSpec) -> float:
        """The true effect of a candidate, read off the prompt that it writes."""
        return self.family.effect(read(self.prompt(spec))[0])

    def score(self, spec: AgentSpec, cases: Sequence[Case]) -> float:
        """What a candidate with fixed demos scores on some cases: as by `run`, but at once, and uncounted."""
        prompt, rule = self.prompt(spec), Truth(self.family, self.seed)
        asked = self.test[0].request
        head, _, tail = prompt.rpartition(asked)
        answers = (rule(f"{head}{case.request}{tail}") for case in cases)
        right = (json.dumps({"code": case.cluster}) for case in cases)
        return sum(one == other for one, other in zip(answers, right, strict=True)) / len(cases)

    def truth(self, spec: AgentSpec) -> float:
        """The true score of a candidate."""
        return self.family.truth(self.effect(spec))

    def run(self, spec: AgentSpec, cases: Sequence[Case], *, name: str, split: Split) -> Run:
        """A candidate on some cases, for a gate."""
        agent = self.build(spec)
        request = EvaluationRequest(
            agent=name,
            agent_digest=agent.digest,
            evalset_digest=digest_json({"family": self.family.name, "seed": self.seed}),
            split=split,
            metrics=(METRIC,),
            workers=1,
            source=SOURCE,
        )
        return evaluate(agent, cases, request=request)


def _cases(name: str, size: int) -> tuple[Case, ...]:
    return tuple(_case(f"{name}{number:04}") for number in range(size))


def _case(code: str) -> Case:
    arguments: dict[str, tuple[JsonValue, ...]] = {"code": (code,)}
    expected = ExpectedCall.model_validate({"tool": TOOL, "arguments": arguments})
    return Case(case_id=f"case-{code}", request=f"Look up code {code} for me.", expected=expected, cluster=code)
