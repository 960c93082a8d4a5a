"""The experiment file: one question as flat YAML, checked whole before anything is spent."""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

import yaml
from pydantic import Field, JsonValue, ValidationError, field_validator

from workbench.agents import AgentSpec
from workbench.core import Budget, ConfigError, Record, WorkbenchError, nearest
from workbench.datasets import BFCL_SETS, load_registry
from workbench.evals import METRICS
from workbench.gates import Rule, check_names
from workbench.lms import EMBEDDED, LMSpec, check
from workbench.optimize import OPTIMIZERS, knobs, vary

CHAMPION = "baseline"

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


class Search(Record):
    """How the agent is to be made better."""

    using: tuple[str, ...] = ("tune_retrieval", "random_search")
    """Optimizers, in order; each starts from what the one before it leaves."""
    space: dict[str, list[JsonValue]] = Field(default_factory=dict)
    """Values to try for each knob of the agent, by dotted name."""
    budget: Budget = Budget(calls=300)
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
    optimize: Search = Search()
    metrics: tuple[str, ...] = ("task_success",)
    gate: tuple[Rule, ...] = Field(min_length=1)
    traces: int = Field(default=20, ge=0)
    """Cases of the test whose traces are tracked, worst first."""
    workers: int = Field(default=2, ge=1)
    seed: int = 0

    @field_validator("lm", mode="before")
    @classmethod
    def _one_line(cls, value: object) -> object:
        return {"model": value} if isinstance(value, str) else value

    @property
    def start(self) -> AgentSpec:
        """The agent to begin with, on this experiment's model."""
        return self.agent.model_copy(update={"lm": self.lm})

    @property
    def proposer(self) -> LMSpec | None:
        """The model that writes instructions, if there is one."""
        return self.optimize.proposer


def read_experiment(path: Path) -> Experiment:
    """Read and check an experiment file; nothing is fetched, loaded or paid.

    Raises: ConfigError with file, line and field for the first thing that is wrong: YAML that can't be read,
    a misspelt field, an unknown metric, optimizer, knob, data set or model, a missing key, a budget that
    could not try one candidate.
    """
    lines, data = _parse(path)
    if isinstance(data, dict):
        data = {"name": path.stem, **data}
    try:
        experiment = Experiment.model_validate(data)
    except ValidationError as cause:
        raise ConfigError(_explain(path, lines, cause)) from cause
    for field, problem in _problems(experiment):
        raise ConfigError(
            f"experiment {experiment.name!r} ({path}:{_line(lines, field)}): {'.'.join(field)}: {problem}"
        )
    return experiment


def _problems(experiment: Experiment) -> Iterator[Problem]:
    """What no single field shows, each with the field to look at."""
    yield from _unknown(("metrics",), "metric", experiment.metrics, METRICS)
    yield from _unknown(("optimize", "using"), "optimizer", experiment.optimize.using, OPTIMIZERS)
    yield from _unknown(("data", "parts"), "part", experiment.data.parts, BFCL_SETS)
    yield from _refused(("data", "set"), lambda: load_registry().entry(experiment.data.set))
    yield from _refused(("gate",), lambda: check_names(experiment.gate, experiment.metrics, CHAMPION))
    yield from _refused(("lm",), lambda: check(experiment.lm))
    proposer = experiment.proposer
    if proposer is not None:
        yield from _refused(("optimize", "proposer"), lambda: check(proposer))
    elif "mipro" in experiment.optimize.using:
        yield ("optimize", "using"), "mipro needs a model that writes instructions; set optimize.proposer"
    yield from _space_problems(experiment)
    yield from _budget_problems(experiment)


def _unknown(field: tuple[str, ...], noun: str, names: Sequence[str], known: Collection[str]) -> Iterator[Problem]:
    for number, name in enumerate(names):
        if name not in known:
            yield (*field, str(number)), f"{noun} {name!r} is unknown; {nearest(name, known)}"


def _space_problems(experiment: Experiment) -> Iterator[Problem]:
    known = knobs(AgentSpec())
    for name, values in experiment.optimize.space.items():
        field = ("optimize", "space", name)
        if name not in known:
            yield field, f"an agent has no such knob; {nearest(name, known)}"
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


class _Loader(yaml.SafeLoader):
    """YAML as JSON data: a date stays the text it was written as."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.yaml_implicit_resolvers = {
            first: [(tag, pattern) for tag, pattern in known if not tag.endswith(":timestamp")]
            for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }


def _parse(path: Path) -> tuple[dict[tuple[str, ...], int], JsonValue]:
    """The line of each field, and the data."""
    try:
        text = path.read_text(encoding="utf-8")
        loader = _Loader(text)
        node = loader.get_single_node()
        data: JsonValue = None if node is None else loader.construct_document(node)
    except FileNotFoundError as cause:
        raise ConfigError(f"experiment {str(path)!r}: is missing{_neighbour(path)}") from cause
    except (OSError, UnicodeDecodeError) as cause:
        raise ConfigError(f"experiment {str(path)!r}: can't be read: {cause}") from cause
    except yaml.YAMLError as cause:
        mark = getattr(cause, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"experiment ({path}:{line}): is not YAML: {getattr(cause, 'problem', cause)}") from cause
    lines: dict[tuple[str, ...], int] = {}
    for field, line in _lines(node, ()):
        if field in lines:  # YAML would silently take the second
            raise ConfigError(f"experiment ({path}:{line}): {'.'.join(field)}: is given twice; remove one")
        lines[field] = line
    return lines, data


def _neighbour(path: Path) -> str:
    known = [other.stem for other in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    return f"; {nearest(path.stem, known)}" if known else ""


def _lines(node: yaml.Node | None, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            yield inner, key.start_mark.line + 1
            yield from _lines(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield (*path, str(number)), item.start_mark.line + 1
            yield from _lines(item, (*path, str(number)))


def _line(lines: dict[tuple[str, ...], int], field: tuple[str, ...]) -> int:
    """The line of a field, or of the nearest one around it."""
    while field and field not in lines:
        field = field[:-1]
    return lines.get(field, 1)


def _explain(path: Path, lines: dict[tuple[str, ...], int], error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    field = tuple(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        text = f"is no field here; {nearest(field[-1], _fields(field[:-1]))}"
    elif problem["type"] == "missing":
        text = "is missing"
    return f"experiment ({path}:{_line(lines, field)}): {'.'.join(field) or 'the file'}: {text}"


def _fields(path: tuple[str, ...]) -> list[str]:
    """The known fields of the record at a path."""
    kind: object = Experiment
    for part in path:
        if isinstance(kind, type) and issubclass(kind, Record) and part in kind.model_fields:
            kind = kind.model_fields[part].annotation
            inner = [
                item for item in getattr(kind, "__args__", ()) if isinstance(item, type) and issubclass(item, Record)
            ]
            kind = inner[0] if inner else kind
    return (
        list(kind.model_fields)
        if isinstance(kind, type) and issubclass(kind, Record)
        else list(Experiment.model_fields)
    )
