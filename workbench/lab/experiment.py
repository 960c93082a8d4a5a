"""The experiment file: one question as flat YAML, checked whole before anything is spent."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, field_validator

from workbench.agents import AgentSpec
from workbench.core import (
    Budget,
    ConfigError,
    Correction,
    DataError,
    EvalSet,
    Record,
    Waiver,
    WorkbenchError,
    nearest,
)
from workbench.datasets import BFCL_SETS, build_suite, fit, load_registry, read_located, read_suites
from workbench.evals import METRICS, applicable, check_suites, known_worlds
from workbench.gates import Rule, Terms, check_looks, check_names, check_waivers
from workbench.lab.scoring import Scorer, examine
from workbench.lms import EMBEDDED, LMSpec, check
from workbench.optimize import JOINT, OPTIMIZERS, knobs, suitability, vary
from workbench.retrieval import IndexSpec, View

CHAMPION = "baseline"
ALPHA = 0.05
"""The chance that a gate decides wrongly: half of it for a false FAIL, half for a false PASS."""

Problem = tuple[tuple[str, ...], str]
"""A field's path, and what is wrong with it."""


class Data(Record):
    """Which cases, and how they are split."""

    set: str = "bfcl_v4"
    """A name in the registry of data sets."""
    parts: tuple[str, ...] = BFCL_SETS
    """Parts of the set that give tools and cases."""
    train: int = Field(default=800, ge=1)
    val: int = Field(default=48, ge=1)
    test: int = Field(default=96, ge=1)
    abstention: float = Field(default=0.25, ge=0, lt=1)
    """Share of the cases for which no tool fits."""
    cases: Path | None = None
    """A file of cases, one as JSON in each line, instead of a set; in a file relative to the file."""

    @property
    def name(self) -> str:
        """Of what the cases are from."""
        return self.set if self.cases is None else self.cases.stem


class Live(Record):
    """The live index that an agent answers from."""

    name: str
    """As `workbench index build` called it, in the experiment's workspace."""
    ship: Literal["copy", "reference"] = "copy"
    """A package holds a copy of what was evaluated, or names the index and answers from what that holds then."""
    principals: tuple[str, ...] = ()
    """As whom cases are asked: a user and groups; nobody in particular if empty."""


class Search(Record):
    """How the agent is to be made better."""

    using: tuple[str, ...] = ("tune_retrieval", "random_search")
    """Optimizers, in order; each starts from what the one before it leaves."""
    portfolio: bool = False
    """True lets them share the budget instead: all begin with the same agent, and it moves to those that find most."""
    space: dict[str, list[JsonValue]] = Field(default_factory=dict)
    """Values to try for each knob of the agent, by dotted name."""
    budget: Budget = Budget(calls=300)
    finalists: int = Field(default=1, ge=1, le=10)
    """How many of the best candidates may try their luck on the test, best first, until one passes the gate. The gate's
    error rate is divided by it."""
    proposer: LMSpec | None = None
    """The model that writes instructions, for optimizers that need one; its name alone lets it write at length."""

    @field_validator("proposer", mode="before")
    @classmethod
    def _one_line(cls, value: object) -> object:
        return {"model": value, "temperature": 1.0, "max_tokens": 512} if isinstance(value, str) else value


class Experiment(Record):
    """One question, with everything that decides its answer."""

    name: str = ""
    """The file's name without its ending, unless the file says otherwise."""
    question: str
    hypothesis: str = ""
    data: Data = Data()
    lm: LMSpec = LMSpec()
    agent: AgentSpec = AgentSpec()
    """The agent to begin with: the baseline and first champion."""
    live: Live | None = None
    """What an agent of pattern "answer" searches; its name alone ships a copy."""
    optimize: Search = Search()
    scorers: dict[str, Scorer] = Field(default_factory=dict)
    """Metrics of the experiment's own, by the names that `metrics` and rules of the gate may call them by."""
    metrics: tuple[str, ...] = ("task_success",)
    suites: tuple[Path, ...] = ()
    """Folders of suites that baseline and winner are tried on besides the test; in a file relative to the file.
    Rules of the gate may name them."""
    gate: tuple[Rule, ...] = Field(min_length=1)
    correction: Correction = "holm"
    """How the rules of the gate that claim "better" are corrected together."""
    waivers: tuple[Waiver, ...] = ()
    """Rules that need not be met for a while, and who answers for it."""
    traces: int = Field(default=20, ge=0)
    """Cases of the test whose traces are tracked, worst first."""
    workers: int = Field(default=2, ge=1)
    seed: int = 0

    @field_validator("lm", mode="before")
    @classmethod
    def _one_line(cls, value: object) -> object:
        return {"model": value} if isinstance(value, str) else value

    @field_validator("live", mode="before")
    @classmethod
    def _name_alone(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @property
    def view(self) -> View:
        """What whoever asks the cases may see."""
        return View(principals=() if self.live is None else tuple(sorted(set(self.live.principals))))

    def over(self, spec: IndexSpec) -> "Experiment":
        """The experiment with an agent that searches as a live index does."""
        return self.model_copy(update={"agent": self.agent.model_copy(update={"index": spec})})

    @property
    def start(self) -> AgentSpec:
        """The agent to begin with, on this experiment's model."""
        return self.agent.model_copy(update={"lm": self.lm})

    @property
    def scored(self) -> dict[str, Scorer]:
        """The scorers that its metrics name: the others judge nothing."""
        return {name: self.scorers[name] for name in self.metrics if name in self.scorers}

    def terms(self, today: date) -> Terms:
        """On which terms the gate decides of one finalist; the day counts only where there are waivers.

        The chance of a wrong decision is shared out among the finalists. Source: Bonferroni's inequality.
        """
        return Terms(
            alpha=ALPHA / self.optimize.finalists,
            correction=self.correction,
            waivers=self.waivers,
            today=today if self.waivers else None,
        )

    @property
    def proposer(self) -> LMSpec | None:
        """The model that writes instructions, if there is one."""
        return self.optimize.proposer


def read_experiment(path: Path) -> Experiment:
    """Read and check an experiment file; nothing is fetched or paid, and nothing loaded but the scorers it names.

    Raises: ConfigError with file, line and field for the first thing that is wrong: YAML that can't be read,
    a misspelt field, an unknown metric, optimizer, knob, data set or model, a missing key, a budget that
    could not try one candidate.
    """
    found = read_located(path, noun="experiment", error=ConfigError)
    data = {"name": path.stem, **found.data} if isinstance(found.data, dict) else found.data
    experiment = fit(found._replace(data=data), Experiment, noun="experiment", path=path, error=ConfigError)
    rooted: dict[str, object] = {
        "suites": tuple(path.parent / suite for suite in experiment.suites),
        "scorers": {name: scorer.seen_from(path.parent) for name, scorer in experiment.scorers.items()},
    }
    if experiment.data.cases is not None:
        rooted["data"] = experiment.data.model_copy(update={"cases": path.parent / experiment.data.cases})
    experiment = experiment.model_copy(update=rooted)
    for field, problem in _problems(experiment):
        raise ConfigError(f"experiment {experiment.name!r} ({path}:{found.line(field)}): {'.'.join(field)}: {problem}")
    return experiment


def _problems(experiment: Experiment) -> Iterator[Problem]:
    """What no single field shows, each with the field to look at."""
    yield from _scorer_problems(experiment)
    yield from _unknown(("metrics",), "metric", experiment.metrics, {*METRICS, *experiment.scorers})
    yield from _unknown(("optimize", "using"), "optimizer", experiment.optimize.using, OPTIMIZERS)
    yield from _unknown(("data", "parts"), "part", experiment.data.parts, BFCL_SETS)
    yield from _refused(("data", "set"), lambda: load_registry().entry(experiment.data.set))
    yield from live_problems(experiment)
    yield from _suite_problems(experiment)
    yield from _refused(("waivers",), lambda: check_waivers(experiment.waivers, experiment.gate))
    yield from _refused(("lm",), lambda: check(experiment.lm))
    proposer = experiment.proposer
    if proposer is not None:
        yield from _refused(("optimize", "proposer"), lambda: check(proposer))
    yield from _unsuited(experiment)
    yield from _space_problems(experiment)
    yield from _budget_problems(experiment)


def _scorer_problems(experiment: Experiment) -> Iterator[Problem]:
    """What is wrong with the scorers, and with rules about judges that may not judge: no run could meet them."""
    ruled = {rule.metric: str(number) for number, rule in enumerate(experiment.gate)}
    for name, scorer in experiment.scorers.items():
        try:
            objection = examine(name, scorer).objection
        except WorkbenchError as refusal:
            yield ("scorers", name), str(refusal)
            return
        if objection and name in ruled:
            yield ("gate", ruled[name]), f"scorer {name!r} would score nothing: {objection}"


def live_problems(experiment: Experiment) -> Iterator[Problem]:
    """What is wrong with the cases of a file and with a live index; whether there is one only the workspace knows."""
    cases, live, how = experiment.data.cases, experiment.live, experiment.optimize
    if cases is not None and not cases.is_file():
        yield ("data", "cases"), f"file {str(cases)!r} is missing"
    if live is None:
        return
    if cases is None:
        yield ("data", "cases"), "is missing; a live index is asked questions of its own: name a file of cases"
    if experiment.agent.pattern != "answer":
        yield ("agent", "pattern"), f"{experiment.agent.pattern!r} searches a catalogue; a live index is for 'answer'"
    if "index" in experiment.agent.model_fields_set:
        yield ("agent", "index"), "is that of the live index; leave it out"
    if "tune_retrieval" in how.using:
        yield ("optimize", "using"), "tune_retrieval ranks tools, and an index of documents has none; leave it out"
    fixed = next((name for name in how.space if name.startswith("index.")), None)
    if live.ship == "reference" and fixed is not None:
        yield ("optimize", "space", fixed), "can't be varied: the live index that is referred to stays as it is"


def _suite_problems(experiment: Experiment) -> Iterator[Problem]:
    """What is wrong with the suites, and with rules that may be about them."""
    measured: dict[str, tuple[str, ...]] = {}
    for number, path in enumerate(experiment.suites):
        try:
            suite = trusted_suite(path)
        except WorkbenchError as refusal:
            yield ("suites", str(number)), str(refusal)
            return
        if suite.name in measured:
            yield ("suites", str(number)), f"suite {suite.name!r} is there twice; name each once"
        measured[suite.name] = (*applicable(suite.test), *experiment.scored)
    gate = ("gate",)
    yield from _refused(gate, lambda: check_names(experiment.gate, experiment.metrics, CHAMPION, measured))
    yield from _refused(gate, lambda: check_looks(experiment.gate, experiment.data.test, experiment.correction))


def trusted_suite(path: Path) -> EvalSet:
    """A folder of suites as an eval set.

    Raises: DataError if it can't be read or fails its check: what it measures would mean something else.
    """
    problems = check_suites(read_suites(path), known_worlds())
    if problems:
        raise DataError(f"suite {str(path)!r}: {len(problems)} problems, the first: {problems[0].message}")
    return build_suite(path)


def _unknown(field: tuple[str, ...], noun: str, names: Sequence[str], known: Collection[str]) -> Iterator[Problem]:
    for number, name in enumerate(names):
        if name not in known:
            yield (*field, str(number)), f"{noun} {name!r} is unknown; {nearest(name, known)}"


def _unsuited(experiment: Experiment) -> Iterator[Problem]:
    known = [name for name in experiment.optimize.using if name in OPTIMIZERS]
    for found in suitability(known, lm=experiment.lm, proposer=experiment.proposer):
        if not found.works:
            yield ("optimize", "using"), f"{found.name}: {found.why}"


def _space_problems(experiment: Experiment) -> Iterator[Problem]:
    joint = JOINT if "joint_search" in experiment.optimize.using else ()
    known = knobs(AgentSpec())
    for name, values in experiment.optimize.space.items():
        field = ("optimize", "space", name)
        if name in JOINT and not joint:
            yield field, "is no knob but a part of the program; only joint_search searches it"
        elif name not in (*known, *joint):
            yield field, f"an agent has no such knob; {nearest(name, (*known, *joint))}"
        for value in values if name in known else []:
            yield from _refused(field, partial(vary, experiment.start, {name: value}))


def _budget_problems(experiment: Experiment) -> Iterator[Problem]:
    budget, val = experiment.optimize.budget, experiment.data.val
    if budget == Budget():
        yield ("optimize", "budget"), "has no limit; give at least one of calls, tokens, seconds, usd"
    if budget.calls is not None and budget.calls < val:
        yield ("optimize", "budget", "calls"), f"{budget.calls} calls can't try one candidate on {val} validation cases"
    least = val * experiment.lm.max_tokens
    if budget.tokens is not None and budget.tokens < least:
        yield ("optimize", "budget", "tokens"), f"{budget.tokens} tokens can't try one candidate; it may take {least}"
    if budget.seconds is not None and budget.seconds < experiment.lm.timeout_seconds:
        longest = experiment.lm.timeout_seconds
        yield ("optimize", "budget", "seconds"), f"{budget.seconds:g} s are less than one call may take ({longest:g} s)"
    if budget.usd == 0 and experiment.lm.model != EMBEDDED:
        yield ("optimize", "budget", "usd"), f"0 USD can't pay a call of {experiment.lm.model!r}"


def _refused(field: tuple[str, ...], attempt: Callable[[], object]) -> Iterator[Problem]:
    try:
        attempt()
    except WorkbenchError as refusal:
        yield field, str(refusal)
