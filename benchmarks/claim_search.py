"""Searchers over the tabulated claims, ours and Optuna's, and what they find by the table's truth."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import cast

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from pydantic import JsonValue

from benchmarks.claim_table import SPACE, Act, Table, canonical, settled, start
from workbench.agents import Agent, AgentSpec
from workbench.core import Budget, Meter, Prediction, Spend, digest_json
from workbench.lms import Call, here
from workbench.lms.scope import account
from workbench.optimize import JointSearch, Task, hypervolume, optimize, vary
from workbench.retrieval import IndexSpec

BEYOND = 0.05
"""How far beyond the nadir the reference point lies, as a share of the front's extent."""
THIRD = 3

Reached = tuple[float, float]
"""Share of right answers, mean tokens."""
Known = Mapping[Act, Reached]


@dataclass
class Truth:
    """The table with its true front, and what a set of agents is worth by it."""

    table: Table
    _outcomes: dict[tuple[Act, str], tuple[NDArray[np.bool_], NDArray[np.float64]]] = field(default_factory=dict)

    def outcome(self, act: Act, split: str = "val") -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """For each claim whether an agent is right, and its tokens."""
        key = (act, split)
        if key not in self._outcomes:
            self._outcomes[key] = self.table.outcome(act, split)
        return self._outcomes[key]

    def reached(self, act: Act, split: str = "val", claims: int | None = None) -> Reached:
        """What an agent reaches on the first claims, or all."""
        right, tokens = self.outcome(act, split)
        return float(right[:claims].mean()), float(tokens[:claims].mean())

    @cached_property
    def fronts(self) -> Mapping[str, list[Reached]]:
        """The true front of each split. Demos change no answer and cost, so no agent with any is on it."""
        names = [name for name in SPACE if name.startswith("index.")]
        points = (dict(zip(names, values, strict=True)) for values in product(*(SPACE[name] for name in names)))
        indexes = {canonical(IndexSpec.model_validate({name[6:]: point[name] for name in names})) for point in points}
        ends = product(_numbers("k"), _numbers("abstain_below"))
        acts = [Act(index, int(k), below, 0) for (k, below), index in product(ends, indexes)]
        return {split: best([self._mean(act, split) for act in acts]) for split in ("val", "test")}

    def _mean(self, act: Act, split: str) -> Reached:
        """As `reached`, without remembering every outcome of the space."""
        right, tokens = self.table.outcome(act, split)
        return float(right.mean()), float(tokens.mean())

    def worth(self, agents: Sequence[Act]) -> dict[str, float]:
        """The hypervolumes of agents, each as a share of the true front's."""
        val, test = ([self.reached(agent, split) for agent in agents] for split in ("val", "test"))
        old = self.reached(settled(start()))
        return {
            "log tokens": share(val, self.fronts["val"], math.log),
            "plain tokens": share(val, self.fronts["val"], float),
            "beyond start": share(val, self.fronts["val"], math.log, reference=old),
            "held out": share(test, self.fronts["test"], math.log),
        }


def best(points: Sequence[Reached]) -> list[Reached]:
    """The points that are better than every cheaper one, cheapest first."""
    found: list[Reached] = []
    for quality, tokens in sorted(points, key=lambda point: (point[1], -point[0])):
        if not found or quality > found[-1][0]:
            found.append((quality, tokens))
    return found


def share(
    points: Sequence[Reached],
    front: Sequence[Reached],
    scale: Callable[[float], float],
    *,
    reference: Reached | None = None,
) -> float:
    """The hypervolume of points as a share of the front's; the reference point lies just beyond the front's nadir."""

    def low(point: Reached) -> tuple[float, float]:
        return -point[0], scale(max(1.0, point[1]))

    if reference is None:
        ends = [low(point) for point in front]
        sides = [[end[goal] for end in ends] for goal in (0, 1)]
        worst = tuple(max(side) + BEYOND * (max(side) - min(side)) for side in sides)
    else:
        worst = low(reference)
    return hypervolume([low(point) for point in best(points)], worst) / hypervolume([low(one) for one in front], worst)


@dataclass(frozen=True)
class Found:
    """What a searcher has to show for its calls."""

    agents: tuple[Act, ...]
    """Those that it tried on all claims."""
    tried: int
    calls: int
    tokens: float


@dataclass
class TabledAgent:
    """An agent of the table, as the runner sees it; it pays for every claim it was not asked before."""

    act: Act
    truth: Truth
    meter: Meter
    asked: dict[tuple[Act, str], float]
    places: Mapping[str, int]

    @property
    def digest(self) -> str:
        """Of what it does."""
        return digest_json([self.act.index.digest, self.act.k, self.act.abstain_below, self.act.demos])

    def __call__(self, request: str) -> Prediction:
        """Right or not, as the table has it."""
        right, tokens = self.truth.outcome(self.act)
        place, key = self.places[request], (self.act, request)
        if key not in self.asked:
            with self.meter.reserve(Spend(calls=1)) as actual:
                actual.append(Spend(calls=1))
            self.asked[key] = float(tokens[place])
        account(
            Call(
                key=f"{self.digest} {place}",
                where=here(),
                model="tabulated",
                cached=False,
                prompt_tokens=round(float(tokens[place])),
                completion_tokens=0,
                usd=0.0,
                milliseconds=0.0,
                started="",
            )
        )
        answers = self.truth.table.claims["val"].cases[place].expected.ideal().answer
        return Prediction(answer=answers if right[place] else "another abstract")


def ours(truth: Truth, seed: int, calls: int) -> Found:
    """Our search, as it ships."""
    cases = truth.table.claims["val"].cases
    places = {case.request: place for place, case in enumerate(cases)}
    meter, asked = Meter(Budget(calls=calls)), dict[tuple[Act, str], float]()

    def build(spec: AgentSpec) -> Agent:
        return cast("Agent", TabledAgent(settled(spec), truth, meter, asked, places))

    task = Task(train=(), val=cases, build=build, meter=meter, seed=seed, workers=1)
    search = JointSearch(SPACE, candidates=10_000, costs=("tokens",))
    done = optimize(start(), [search], task)
    complete = {settled(trial.spec) for trial in done.trials if trial.complete}
    return Found(tuple(complete), len({agent for agent, _ in asked}), meter.spent.calls, sum(asked.values()))


@dataclass(frozen=True)
class Peer:
    """One of Optuna's samplers in one setting."""

    name: str
    family: str
    make: Callable[[int], BaseSampler]
    conditional: bool = False
    part: int = 1
    """It tries candidates on one part of so many of the claims."""

    def __call__(self, truth: Truth, seed: int, calls: int) -> Found:
        """Ask and tell until the calls are spent."""
        total = len(truth.table.claims["val"].cases)
        cases = total // self.part
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=self.make(seed))
        study.enqueue_trial({name: _number(name, value) for name, value in _knobs(start()).items()})
        known: dict[Act, Reached] = {}
        for _ in range(4 * calls // cases + 50):
            trial = study.ask()
            agent = settled(self.suggest(trial))
            if agent not in known:
                if cases * (len(known) + 1) + _completing(known, total - cases) > calls:
                    break
                known[agent] = truth.reached(agent, claims=cases)
            study.tell(trial, known[agent])
        shown = tuple(known) if self.part == 1 else _front(known)
        spent = cases * len(known) + (total - cases) * len(shown)
        tokens = sum(truth.reached(agent, claims=cases)[1] * cases for agent in known)
        return Found(shown, len(known), spent, tokens)

    def suggest(self, trial: optuna.Trial) -> AgentSpec:
        """An agent of the space; numbers are suggested by their place, since they have an order."""
        names = list(SPACE)
        point: dict[str, JsonValue] = {}
        for name in names:
            retriever = point.get("index.retriever")
            idle = (retriever == "bm25" and name in _WITH_VECTORS) or (retriever == "dense" and name in _WITH_WORDS)
            if self.conditional and idle:
                continue
            if name == "index.retriever":
                point[name] = trial.suggest_categorical(name, ["bm25", "dense", "hybrid"])
            else:
                point[name] = SPACE[name][trial.suggest_int(name, 0, len(SPACE[name]) - 1)]
        return vary(start(), point)


_WITH_VECTORS = ("index.tokens", "index.rrf_k", "index.depth", "abstain_below")
_WITH_WORDS = ("index.k1", "index.b", "index.rrf_k", "index.depth")


def _tpe(seed: int) -> BaseSampler:
    return TPESampler(seed=seed)


def _tpe_multivariate(seed: int) -> BaseSampler:
    return TPESampler(seed=seed, multivariate=True)


def _tpe_grouped(seed: int) -> BaseSampler:
    return TPESampler(seed=seed, multivariate=True, group=True)


def _nsga(population: int) -> Callable[[int], BaseSampler]:
    return lambda seed: NSGAIISampler(seed=seed, population_size=population)


PEERS = (
    Peer("random", "random", lambda seed: RandomSampler(seed=seed), conditional=True),
    Peer("TPE", "TPE", _tpe),
    Peer("TPE multivariate", "TPE", _tpe_multivariate),
    Peer("TPE conditional", "TPE", _tpe_grouped, conditional=True),
    Peer("NSGA-II of 10", "NSGA-II", _nsga(10)),
    Peer("NSGA-II of 20", "NSGA-II", _nsga(20)),
    Peer("NSGA-II of 50", "NSGA-II", _nsga(50)),
    Peer("TPE conditional at a third", "at a third", _tpe_grouped, conditional=True, part=THIRD),
    Peer("NSGA-II of 20 at a third", "at a third", _nsga(20), part=THIRD),
)


def _knobs(spec: AgentSpec) -> dict[str, JsonValue]:
    index = spec.index.model_dump(mode="json")
    own = spec.model_dump(mode="json", exclude={"program", "lm", "index"})
    return {name: index[name[6:]] if name.startswith("index.") else own[name] for name in SPACE}


def _number(name: str, value: JsonValue) -> JsonValue:
    return value if name == "index.retriever" else list(SPACE[name]).index(value)


def _numbers(name: str) -> list[float]:
    return [float(value) for value in SPACE[name] if isinstance(value, int | float)]


def _front(known: Known) -> tuple[Act, ...]:
    kept = best(list(known.values()))
    return tuple({reached: agent for agent, reached in known.items() if reached in kept}.values())


def _completing(known: Known, cases: int) -> int:
    return cases * (len(_front(known)) + 1) if cases else 0
