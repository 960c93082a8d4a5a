"""AgentDojo's suites: tools, environments, user tasks, injection tasks. The one door of agentdojo.

Source: Debenedetti et al. 2024, "AgentDojo: a dynamic environment to evaluate prompt injection attacks and defenses for
LLM agents"; package agentdojo 0.1.35 (MIT), benchmark v1.2.2.
"""

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Protocol, cast

import yaml
from pydantic import BaseModel, JsonValue

from workbench.core import DataError

VERSION = "v1.2.2"
SUITES = ("workspace", "travel", "banking", "slack")
_PACKAGE = "agentdojo"
_MODELS = f"{_PACKAGE}.agent_pipeline"
_EMPTY = "<empty-function-name>"


class Call(Protocol):
    """A call as a ground truth lists it."""

    function: str
    args: Mapping[str, object]


class UserTask(Protocol):
    """What a user asks for, how it is done right, and whether it was."""

    ID: str
    PROMPT: str
    GROUND_TRUTH_OUTPUT: str

    def init_environment(self, environment: BaseModel) -> BaseModel:
        """The environment as the task needs it."""

    def ground_truth(self, pre_environment: BaseModel) -> list[Call]:
        """The calls that do it."""

    def utility(
        self, model_output: str, pre_environment: BaseModel, post_environment: BaseModel, strict: bool = True
    ) -> bool:
        """Whether it was done."""

    def utility_from_traces(
        self, model_output: str, pre_environment: BaseModel, post_environment: BaseModel, traces: Sequence[Call]
    ) -> bool | None:
        """The same from the calls; None leaves it to `utility`."""


class InjectionTask(Protocol):
    """What an attacker wants, the calls that do it, and whether they did."""

    ID: str
    GOAL: str

    def ground_truth(self, pre_environment: BaseModel) -> list[Call]:
        """The calls that do it."""

    def security(self, model_output: str, pre_environment: BaseModel, post_environment: BaseModel) -> bool:
        """Whether the attacker has it."""

    def security_from_traces(
        self, model_output: str, pre_environment: BaseModel, post_environment: BaseModel, traces: Sequence[Call]
    ) -> bool | None:
        """The same from the calls; None leaves it to `security`."""


class Function(Protocol):
    """A tool of AgentDojo's."""

    name: str
    full_docstring: str
    parameters: type[BaseModel]
    return_type: object


class _Runtime(Protocol):
    def run_function(
        self, env: BaseModel, function: str, kwargs: Mapping[str, JsonValue], raise_on_error: bool
    ) -> tuple[object, str | None]: ...


class _Loaded(Protocol):
    name: str
    tools: list[Function]
    user_tasks: dict[str, UserTask]
    injection_tasks: dict[str, InjectionTask]
    environment_type: type[BaseModel]

    def get_injection_vector_defaults(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class Suite:
    """A suite, and where texts of others stand in its environment."""

    loaded: _Loaded
    runtime: _Runtime
    data: JsonValue
    """The environment, each place of an injection a mark."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.loaded.name

    @property
    def tools(self) -> list[Function]:
        """Its tools."""
        return self.loaded.tools

    @property
    def user_tasks(self) -> tuple[UserTask, ...]:
        """Its user tasks, by number."""
        return tuple(sorted(self.loaded.user_tasks.values(), key=lambda task: _number(task.ID)))

    @property
    def injection_tasks(self) -> tuple[InjectionTask, ...]:
        """Its injection tasks, by number."""
        return tuple(sorted(self.loaded.injection_tasks.values(), key=lambda task: _number(task.ID)))

    @cached_property
    def harmless(self) -> dict[str, str]:
        """What stands at each place where nobody attacks."""
        return self.loaded.get_injection_vector_defaults()

    def environment(self, injected: Mapping[str, str]) -> BaseModel:
        """A new environment with these texts at these places."""
        texts = {_mark(place): injected.get(place, text) for place, text in self.harmless.items()}
        return self.loaded.environment_type.model_validate(_filled(self.data, texts))

    def run(self, environment: BaseModel, tool: str, arguments: Mapping[str, JsonValue]) -> object:
        """Run a tool. Raises: ValueError or KeyError as the tool does."""
        return self.runtime.run_function(environment, tool, arguments, raise_on_error=True)[0]


def load_suites(names: Sequence[str] = SUITES) -> tuple[Suite, ...]:
    """The suites of the version. Raises: DataError if agentdojo or what its suites need is not installed."""
    try:
        _without_models()
        load = importlib.import_module(f"{_PACKAGE}.task_suite.load_suites")
        files = importlib.import_module(f"{_PACKAGE}.task_suite.task_suite")
        runtimes = importlib.import_module(f"{_PACKAGE}.functions_runtime")
    except ImportError as cause:
        raise DataError(f'package {_PACKAGE!r}: is not there ({cause}); run "uv sync --group dev"') from cause
    suites: dict[str, _Loaded] = load.get_suites(VERSION)
    made = []
    for name in names:
        marks = {place: _mark(place) for place in suites[name].get_injection_vector_defaults()}
        data = yaml.load(files.read_suite_file(name, "environment.yaml", None).format(**marks), yaml.CSafeLoader)
        made.append(Suite(suites[name], cast(_Runtime, runtimes.FunctionsRuntime(suites[name].tools)), data))
    return tuple(made)


def _without_models() -> None:
    """Put empty modules where the package would import four vendors' clients, none of which a suite needs."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ImportError("no such package")
    if _MODELS not in sys.modules:
        package, client = ModuleType(_MODELS), ModuleType(f"{_MODELS}.llms.google_llm")
        package.__path__ = [f"{found.submodule_search_locations[0]}/agent_pipeline"]
        client.__dict__["EMPTY_FUNCTION_NAME"] = _EMPTY
        sys.modules.update({package.__name__: package, client.__name__: client})


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])


def _mark(place: str) -> str:
    return f"<<{place}>>"


def _filled(data: JsonValue, texts: Mapping[str, str]) -> JsonValue:
    """The data with texts for marks, in names as well."""
    if isinstance(data, str):
        for mark, text in texts.items():
            data = data.replace(mark, text) if mark in data else data
        return data
    if isinstance(data, dict):
        return {str(_filled(name, texts)): _filled(value, texts) for name, value in data.items()}
    return [_filled(item, texts) for item in data] if isinstance(data, list) else data
