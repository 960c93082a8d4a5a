"""What an OpenAPI document says: operations as offers, and where each argument goes.

Source: OpenAPI Specification 3.0.4 and 3.1.1.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pydantic import JsonValue

from workbench.tools.errors import ToolError
from workbench.tools.offer import Offer

Json = dict[str, JsonValue]
Part = Literal["path", "query", "header", "body"]
METHODS = ("get", "put", "post", "delete", "patch")
_PARTS: dict[JsonValue, Part] = {"path": "path", "query": "query", "header": "header"}
_COMPONENTS = "#/components/schemas/"


class Operation(NamedTuple):
    """An operation, and where each of its arguments goes."""

    offer: Offer
    method: str
    path: str
    parts: Mapping[str, Part]
    whole_body: bool
    """Whether the body is the one argument "body", and not an object of arguments."""


@dataclass
class _Arguments:
    """The arguments of an operation, as they are found."""

    operation: str
    properties: Json = field(default_factory=dict)
    required: list[JsonValue] = field(default_factory=list)
    parts: dict[str, Part] = field(default_factory=dict)
    whole_body: bool = False

    def add(self, name: str, part: Part, schema: JsonValue, *, needed: bool) -> None:
        """One more. Raises: ToolError if another has its name."""
        if name in self.parts:
            raise ToolError(f"operation {self.operation!r}: has two arguments {name!r}; declare a function instead")
        self.properties[name], self.parts[name] = schema, part
        if needed:
            self.required.append(name)

    def add_body(self, schema: Json, *, needed: bool) -> None:
        """The fields of an object, or a body that is none as one argument."""
        self.whole_body = "properties" not in schema
        if self.whole_body:
            self.add("body", "body", schema, needed=needed)
        for name, one in _object(schema.get("properties")).items():
            self.add(name, "body", one, needed=name in _items(schema.get("required")))

    @property
    def schema(self) -> Json:
        """All of them."""
        properties, required = self.properties, self.required
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def operations(document: Json) -> Iterator[Operation]:
    """What of a document can be offered. Raises: ToolError if it refers to what is not there."""
    for path, item in _object(document.get("paths")).items():
        shared = _object(_resolved(item, document))
        for method in METHODS:
            operation = _object(shared.get(method))
            if operation.get("operationId"):
                found = _operation(document, path, method, {**operation, "parameters": _listed(shared, operation)})
                if found is not None:
                    yield found


def _operation(document: Json, path: str, method: str, operation: Json) -> Operation | None:
    """One of them; None if a part of it can't be said by arguments."""
    arguments = _Arguments(str(operation["operationId"]))
    for parameter in (_object(_resolved(one, document)) for one in _items(operation["parameters"])):
        part = _PARTS.get(parameter.get("in"))
        if part is None:
            return None
        described = {"description": parameter["description"]} if parameter.get("description") else {}
        schema = {**described, **_object(parameter.get("schema"))}
        arguments.add(str(parameter["name"]), part, schema, needed=parameter.get("required") is True)
    if body := _object(_resolved(operation.get("requestBody", {}), document)):
        content = _json(body)
        if content is None:
            return None
        schema = _object(_resolved(_object(content).get("schema", {}), document))
        arguments.add_body(schema, needed=body.get("required") is True)
    offer = Offer(
        name=arguments.operation,
        description=" ".join(str(operation.get(one, "")).strip() for one in ("summary", "description")).strip(),
        parameters=_whole(arguments.schema, document),
        returns=_whole(_returned(operation, document), document),
        where=f"{method.upper()} {path}",
    )
    return Operation(offer, method, path, arguments.parts, arguments.whole_body)


def _listed(shared: Json, operation: Json) -> list[JsonValue]:
    """Parameters of a path and of one of its operations; those of the operation count."""
    own = _items(operation.get("parameters", []))
    named = [_object(one).get("name") for one in own]
    return [one for one in _items(shared.get("parameters", [])) if _object(one).get("name") not in named] + own


def _returned(operation: Json, document: Json) -> Json:
    """The schema of the first answer that tells of success."""
    for status, answer in sorted(_object(operation.get("responses")).items()):
        if status.startswith("2"):
            return _object(_object(_json(_object(_resolved(answer, document)))).get("schema"))
    return {}


def _json(holder: Json) -> JsonValue:
    return _object(holder.get("content")).get("application/json")


def _whole(schema: Json, document: Json) -> Json:
    """A schema that stands alone: what it refers to in the document is under $defs."""
    known, needed, defined = _object(_object(document.get("components")).get("schemas")), list[str](), Json()
    moved = _moved(schema, needed)
    while needed:
        name = needed.pop()
        if name not in defined:
            if name not in known:
                raise ToolError(f"schema {name!r}: is not in the document")
            defined[name] = None  # it may refer to itself
            defined[name] = _moved(known[name], needed)
    return {**_object(moved), **({"$defs": defined} if defined else {})}


def _moved(schema: JsonValue, needed: list[str]) -> JsonValue:
    """A schema whose references point into its own $defs, and with 3.0's "nullable" as 3.1 says it."""
    if isinstance(schema, list):
        return [_moved(one, needed) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _moved(one, needed) for name, one in schema.items() if name != "nullable"}
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if not reference.startswith(_COMPONENTS):
            raise ToolError(f"reference {reference!r}: points out of {_COMPONENTS}")
        needed.append(name := reference.removeprefix(_COMPONENTS))
        found["$ref"] = f"#/$defs/{name}"
    return {"anyOf": [found, {"type": "null"}]} if schema.get("nullable") is True else found


def _resolved(value: JsonValue, document: Json) -> JsonValue:
    """What a reference to a component stands for."""
    reference = value.get("$ref") if isinstance(value, dict) else None
    if not isinstance(reference, str):
        return value
    found: JsonValue = document
    for name in reference.removeprefix("#/").split("/"):
        found = _object(found).get(name)
    if not reference.startswith("#/") or found is None:
        raise ToolError(f"reference {reference!r}: is not in the document")
    return _resolved(found, document)


def _object(value: JsonValue) -> Json:
    return value if isinstance(value, dict) else {}


def _items(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
