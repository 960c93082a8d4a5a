"""Prompts: the exact text of each layout, and an end that the demos and the schema agree on."""

import json

import dspy
import pytest
from town import CASES, RIDE, SOLVED, Listener, build

from workbench.agents import AgentSpec, CompactAdapter, Layout, learned, prompt_template
from workbench.core import AgentError, ToolSpec

HEAD = "Call the tool: take each argument from the request.\n\n"
SHOWN = {
    "signature": "ride.book(place: string, seats: integer = 1)",
    "documented": "ride.book: Book a ride to a place.\n- place (string): The place.\n- seats (integer, default 1)",
    "json": '{"name": "ride.book", "description": "Book a ride to a place.", "parameters": {"place": {"type": '
    '"string", "description": "The place."}, "seats": {"type": "integer", "default": 1}}}',
}
"""Golden texts, written by hand from the layouts' documentation in workbench.agents.spec."""


def _taught(layout: Layout, demos: int) -> AgentSpec:
    module = build(AgentSpec(), Listener()).module
    module.fill.demos = SOLVED[:1]
    return learned(AgentSpec(layout=layout, demos=demos), module)


@pytest.mark.parametrize("layout", ["signature", "documented", "json"])
@pytest.mark.parametrize("demos", [0, 1])
def test_a_prompt_is_exactly_this(layout: Layout, demos: int) -> None:
    """Instructions, demos, then the request; what stays the same comes first."""
    model = Listener()
    build(_taught(layout, demos), model)("Book a ride to the harbour")
    block = f"Tool: {SHOWN[layout]}\nRequest: {{}}\nArguments:\n"
    demo = block.format(CASES[0].request) if layout != "json" else block.replace("{}", CASES[0].request)
    shown = f'{demo}{{"place": "station"}}\n\n' if demos else ""
    asked = block.replace("{}", "Book a ride to the harbour")

    assert [f"{HEAD}{shown}{asked}"] == model.prompts


def test_a_prompt_ends_where_the_answer_begins() -> None:
    """No space at the end; in each demo the answer begins there too, with the character the schema begins with."""
    model = Listener()
    build(_taught("json", 1), model)("Book a ride to the harbour")
    prompt = model.prompts[0]

    assert prompt.endswith("Arguments:\n")
    assert ["{", ""] == [part[:1] for part in prompt.split("Arguments:\n")[1:]]
    assert " \n" not in prompt


def test_demos_are_those_of_the_program_up_to_the_number_asked_for() -> None:
    """In their order; one that lacks a field is not shown."""
    module = build(AgentSpec(), Listener()).module
    module.fill.demos = [SOLVED[0], dspy.Example(request="half a demo", tool=RIDE.model_dump_json()), *SOLVED[1:]]
    model = Listener()
    build(learned(AgentSpec(demos=3), module), model)("Book a ride to the harbour")

    assert [CASES[0].request, CASES[1].request, "Book a ride to the harbour"] == [
        line.removeprefix("Request: ") for line in model.prompts[0].splitlines() if line.startswith("Request: ")
    ]


def test_the_template_shows_what_differs_as_placeholders() -> None:
    """Fixed demos stand in it; nearest ones, the tool and the request stand in double braces."""
    fixed = prompt_template(build(_taught("signature", 1), Listener()))
    nearest = _taught("signature", 1).model_copy(update={"demo_choice": "nearest"})

    assert f"{HEAD}Tool: {SHOWN['signature']}\nRequest: {CASES[0].request}\n" in fixed
    assert fixed.endswith("Tool: {{tool}}()\nRequest: {{request}}\nArguments:\n")
    assert (
        f"{HEAD}{{{{nearest solved requests: 1}}}}\n\nTool: {{{{tool}}}}()\nRequest: {{{{request}}}}\nArguments:\n"
        == prompt_template(build(nearest, Listener()))
    )


def test_long_descriptions_are_cut_at_a_word() -> None:
    """In the documented layout, of tools and arguments, at 200 characters; line breaks become spaces."""
    words = "word\n" * 60
    tool = ToolSpec.model_validate(
        {"name": "t", "description": words, "parameters": {"properties": {"x": {"description": words, "enum": ["a"]}}}}
    )
    prompt = CompactAdapter("documented").format(
        dspy.Signature("tool -> arguments"), [], {"tool": tool.model_dump_json()}
    )[0]["content"]
    cut = " ".join(["word"] * 40)

    assert f't: {cut} …\n- x (string in ["a"], default None): {cut} …' in str(prompt)


def test_one_output_field_is_all_the_layout_takes() -> None:
    """And an empty completion can't be parsed."""
    with pytest.raises(AgentError, match="has 2 output fields"):
        CompactAdapter("json").format(dspy.Signature("a -> b, c"), [], {"a": "x"})
    with pytest.raises(dspy.utils.exceptions.AdapterParseError):
        CompactAdapter("json").parse(dspy.Signature("a -> b"), " \n ")
    assert {"b": json.dumps({"x": 1})} == CompactAdapter("json").parse(dspy.Signature("a -> b"), ' {"x": 1}\n')
