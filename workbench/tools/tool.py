"""A tool: what a model sees of it, its facts, and the function that only a gate calls."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, get_type_hints

import jsonschema_rs
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, create_model

from workbench.core import Record, ToolSpec, boundary, canonical_json, digest_json
from workbench.tools.errors import NotDone, ToolError, Unusable
from workbench.tools.facts import Facts
from workbench.tools.form import dumped, filled


class Attempt(Record):
    """What a tool is told of the attempt that it is: a parameter of this type is filled by the gate."""

    key: str
    """Names the action, the same in each attempt and after a restart: what a service takes as its idempotency key."""
    number: int = Field(ge=1)
    tenant: str
    principal: str
    seconds: float = Field(gt=0)
    """How long the gate will wait."""


class Reconciled(Record):
    """What a tool can tell of an action whose end nobody saw."""

    state: Literal["done", "not_done", "unknown"]
    value: JsonValue = None
    """What it would have returned, if it is done."""


class Run(Protocol):
    """The function of a tool as the gate calls it, with arguments that fit the schema."""

    def __call__(self, arguments: Mapping[str, JsonValue], attempt: Attempt) -> JsonValue:
        """Do it. Raises: NotDone if it is sure that nothing happened; anything else leaves that open."""


class Reconcile(Protocol):
    """Finds out what became of an action."""

    def __call__(self, arguments: Mapping[str, JsonValue], attempt: Attempt) -> Reconciled:
        """Look, and change nothing."""


class Form(Protocol):
    """The one form of a tool's arguments."""

    def __call__(self, arguments: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """All that the function would be given. Raises: NotDone if they are not of its types."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A declared tool."""

    spec: ToolSpec
    facts: Facts
    run: Run
    returns: dict[str, JsonValue]
    """A JSON Schema of what it returns."""
    reconcile: Reconcile | None = None
    form: Form | None = None
    """How its arguments take their one form; None leaves that to its schema."""

    def __post_init__(self) -> None:
        """Raises: ToolError if the parts don't belong together."""
        known = set(self.spec.properties)
        for name in (*self.facts.content, *self.facts.identity):
            if name not in known:
                raise ToolError(
                    f"tool {self.spec.name!r}: has no argument {name!r}, which its facts name; correct them"
                )
        if (self.facts.idempotency == "reconcile") != (self.reconcile is not None):
            raise ToolError(
                f'tool {self.spec.name!r}: idempotency "reconcile" and a function that reconciles belong together; '
                "give both or none"
            )

    @cached_property
    def digest(self) -> str:
        """Names what a person agreed to: schema, description, facts and form of the answer; not the code."""
        return digest_json([self.spec.digest, self.facts.digest, self.returns])

    @cached_property
    def controls(self) -> tuple[str, ...]:
        """Arguments that decide what is done: all but those that only fill it."""
        return tuple(name for name in self.spec.properties if name not in self.facts.content)

    def fits(self, arguments: Mapping[str, JsonValue]) -> bool:
        """Whether a call's arguments fit the schema; what the schema does not name never fits."""
        return self._arguments.is_valid(arguments) and arguments.keys() <= self.spec.properties.keys()

    def formed(self, arguments: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Arguments that fit, as the function sees them: what it would default to is filled in.

        Raises: NotDone if they are not of the function's types.
        """
        return self.form(arguments) if self.form is not None else filled(self.spec.properties, arguments)

    def returned(self, value: JsonValue) -> bool:
        """Whether an answer fits the schema."""
        return self._returns.is_valid(value)

    @cached_property
    def _arguments(self) -> jsonschema_rs.Draft202012Validator:
        return _compiled(self.spec.name, {"type": "object", **self.spec.parameters})

    @cached_property
    def _returns(self) -> jsonschema_rs.Draft202012Validator:
        return _compiled(self.spec.name, self.returns)


def _compiled(name: str, schema: dict[str, JsonValue]) -> jsonschema_rs.Draft202012Validator:
    with boundary(ToolError, f"tool {name!r}: its schema is not one"):
        return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, retriever=_nothing)


def _nothing(uri: str) -> JsonValue:
    """Where a schema would be fetched from."""
    raise ToolError(f"schema {uri!r}: stands elsewhere; write it under $defs")


def declare(function: Callable[..., object], facts: Facts, *, reconcile: Reconcile | None = None) -> Tool:
    """A tool from a typed function: its name, its docstring, its parameters' and its answer's types.

    A parameter of type `Attempt` is filled by the gate and no model sees it.

    >>> def add(left: int, right: int) -> int:
    ...     "Add two numbers."
    ...     return left + right
    >>> tool = declare(add, Facts(effect="read"))
    >>> tool.spec.required, tool.fits({"left": 1, "right": 2}), tool.fits({"left": "1", "right": 2})
    (('left', 'right'), True, False)

    Raises: ToolError if a parameter or the answer has no type that a JSON Schema tells, or a default is not of its.
    """
    name, hints = function.__name__, _hints(function)
    parameters = inspect.signature(function).parameters.values()
    filled = next((one.name for one in parameters if hints[one.name] is Attempt), None)
    given = {one.name: one for one in parameters if one.name != filled}
    with boundary(ToolError, f"tool {name!r}: its types are not those of JSON"):
        model = _model(name, {key: (hints[key], one.default) for key, one in given.items()})
        answer: TypeAdapter[object] = TypeAdapter(hints["return"])  # type: ignore[arg-type]  # as for parameters
        schema: dict[str, JsonValue] = model.model_json_schema()
        returns: dict[str, JsonValue] = answer.json_schema(mode="serialization")
    schema.pop("title", None)

    def run(arguments: Mapping[str, JsonValue], attempt: Attempt) -> JsonValue:
        checked = _checked(model, arguments)
        values = {key: getattr(checked, key) for key in given}
        if filled is not None:
            values[filled] = attempt
        done = function(**values)
        with boundary(Unusable, f"tool {name!r}: its answer is not of its type"):
            told: JsonValue = answer.dump_python(answer.validate_python(done), mode="json")
            return told

    def form(arguments: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        return dumped(_checked(model, arguments))

    spec = ToolSpec(name=name, description=inspect.getdoc(function) or "", parameters=schema)
    return Tool(spec=spec, facts=facts, run=run, returns=returns, reconcile=reconcile, form=form)


def _hints(function: Callable[..., object]) -> dict[str, object]:
    """The types of a function's parameters and of its answer."""
    hints: dict[str, object] = get_type_hints(function)
    missing = next((name for name in inspect.signature(function).parameters if name not in hints), None)
    if missing is not None or "return" not in hints:
        what = f"parameter {missing!r}" if missing is not None else "its answer"
        raise ToolError(f"tool {function.__name__!r}: {what} has no type; annotate it")
    return hints


def _model(name: str, typed: Mapping[str, tuple[object, object]]) -> type[BaseModel]:
    """A function's parameters, each a type and a default that is of it, as a call could have given it."""
    fields: dict[str, tuple[object, object]] = {}
    for key, (kind, default) in typed.items():
        if default is inspect.Parameter.empty:
            fields[key] = (kind, ...)
            continue
        adapter: TypeAdapter[object] = TypeAdapter(kind)  # type: ignore[arg-type]  # whatever the function says
        fields[key] = (kind, adapter.validate_json(adapter.dump_json(default, warnings="error"), strict=True))
    made: type[BaseModel] = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)  # type: ignore[call-overload]
    return made


def _checked(model: type[BaseModel], arguments: Mapping[str, JsonValue]) -> BaseModel:
    try:
        return model.model_validate_json(canonical_json(dict(arguments)), strict=True)
    except (ValueError, TypeError) as cause:
        raise NotDone("the arguments do not fit the tool's types") from cause
