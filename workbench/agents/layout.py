"""How a signature, its demos and a request become one compact text, and how the answer is read back."""

import json
from collections.abc import Mapping, Sequence

import dspy
from dspy.utils.exceptions import AdapterParseError
from pydantic import JsonValue

from workbench.agents.spec import Layout
from workbench.core import AgentError, ToolSpec

MOST_DESCRIPTION = 200
"""Characters of a description that a prompt shows; longer ones are cut, since a small model pays for each token."""

MOST_CHOICES, FIRST_CHOICES = 24, 3
"""Values of an argument that a prompt lists; of a longer list only the first. The output schema holds all of them."""


class CompactAdapter(dspy.Adapter):
    """Writes demos and request as repeated blocks of "Field:" lines, as a base model continues them.

    What stays the same comes first (instructions, then demos, then the request), so that a server's
    prefix cache pays for it once. The prompt ends in a line break, never in a space, and a demo's answer starts with
    the character the output schema starts with: otherwise the first token never matches. A signature
    must have exactly one output field.
    """

    def __init__(self, layout: Layout, *, demo_layout: Layout | None = None) -> None:
        super().__init__()
        self.layout = layout
        self.demo_layout = demo_layout or layout

    def format(
        self, signature: type[dspy.Signature], demos: list[dict[str, object]], inputs: dict[str, object]
    ) -> list[dict[str, object]]:
        """One user message: instructions, complete demos, then the request up to its output field."""
        output = _output(signature)
        complete = [demo for demo in demos if all(name in demo for name in (*signature.input_fields, output))]
        blocks = [signature.instructions.strip()] if signature.instructions.strip() else []
        blocks += [f"{_block(signature, demo, self.demo_layout)}{_text(demo[output])}" for demo in complete]
        blocks.append(_block(signature, inputs, self.layout))
        return [{"role": "user", "content": "\n\n".join(blocks)}]

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, object]:
        """The completion is the output field.

        Raises: AdapterParseError if it is empty.
        """
        text = completion.strip()
        if not text:
            raise AdapterParseError(adapter_name="CompactAdapter", signature=signature, lm_response=completion)
        return {_output(signature): text}


def _block(signature: type[dspy.Signature], values: Mapping[str, object], layout: Layout) -> str:
    lines = [f"{_title(name)}: {_render(name, values[name], layout)}" for name in signature.input_fields]
    return "\n".join((*lines, f"{_title(_output(signature))}:\n"))


def _render(name: str, value: object, layout: Layout) -> str:
    if name == "tool":
        return render_tool(ToolSpec.model_validate_json(_text(value)), layout)
    return _text(value)


def render_tool(tool: ToolSpec, layout: Layout) -> str:
    """A tool as a prompt shows it.

    >>> tool = ToolSpec(name="ride", description="Books a ride.", parameters={"required": ["to"], "properties": {
    ...     "to": {"type": "string", "description": "Where to."}, "kind": {"type": "string", "default": "plus"}}})
    >>> render_tool(tool, "signature")
    "ride(to: string, kind: string = 'plus')"
    >>> print(render_tool(tool, "documented"))
    ride: Books a ride.
    - to (string): Where to.
    - kind (string, default 'plus')
    """
    if layout == "json":
        shown = {"name": tool.name, "description": tool.description, "parameters": tool.properties}
        return json.dumps(shown, ensure_ascii=False)
    if layout == "signature":
        return f"{tool.name}({', '.join(_argument(tool, name) for name in tool.properties)})"
    lines = (f"- {_documented(tool, name)}" for name in tool.properties)
    return "\n".join((f"{tool.name}: {_cut(tool.description)}", *lines))


def _argument(tool: ToolSpec, name: str) -> str:
    schema = tool.properties[name]
    return f"{name}: {schema.get('type', 'string')}{_choices(schema)}{_default(tool, name, ' = ')}"


def _documented(tool: ToolSpec, name: str) -> str:
    schema = tool.properties[name]
    kind = f"{schema.get('type', 'string')}{_choices(schema)}{_default(tool, name, ', default ')}"
    description = _cut(str(schema.get("description", "")))
    return f"{name} ({kind}): {description}" if description else f"{name} ({kind})"


def _choices(schema: Mapping[str, JsonValue]) -> str:
    values = schema.get("enum")
    if not isinstance(values, list):
        return ""
    if len(values) <= MOST_CHOICES:
        return f" in {json.dumps(values, ensure_ascii=False)}"
    shown = ", ".join(json.dumps(value, ensure_ascii=False) for value in values[:FIRST_CHOICES])
    return f" in [{shown}, … {len(values)} values]"


def _default(tool: ToolSpec, name: str, sign: str) -> str:
    if name in tool.required:
        return ""
    return f"{sign}{tool.properties[name].get('default')!r}"


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= MOST_DESCRIPTION else f"{flat[:MOST_DESCRIPTION].rsplit(' ', 1)[0]} …"


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return "\n".join(_text(item) for item in value)
    return str(value)


def _output(signature: type[dspy.Signature]) -> str:
    names = [str(name) for name in signature.output_fields]
    if len(names) != 1:
        raise AgentError(
            f"signature {signature.__name__!r}: has {len(names)} output fields; the compact layout takes one"
        )
    return names[0]
