"""What the labels of a call say: who decides what it does, and how confidential what it carries is."""

from dataclasses import dataclass

from workbench.core import Record
from workbench.safety import Integrity, Label, escape, join, label_of, level
from workbench.tools.call import Call
from workbench.tools.tool import Tool


class Flow(Record):
    """A call's labels, in short."""

    whole: Label
    """Of all arguments together."""
    control: Integrity
    """Of the arguments that decide what is done; with none it is trusted."""


@dataclass(frozen=True)
class Concern:
    """Why the labels don't let a call pass without a person."""

    code: str
    reason: str


def flow(tool: Tool, call: Call) -> Flow:
    """The labels of a call, argument by argument."""
    labels = {name: label_of(value, f"/{escape(name)}", call.labels) for name, value in call.arguments.items()}
    control = all(labels[name].trusted for name in tool.controls if name in labels)
    return Flow(whole=join(tuple(dict.fromkeys(labels.values()))), control="trusted" if control else "untrusted")


def concern(tool: Tool, found: Flow) -> Concern | None:
    """The first rule that the labels break; None if none is.

    An effect is decided by what is trusted, and nothing goes where it is not cleared for. A read may be decided by
    untrusted content: it changes nothing, and its clearance says what it may be asked with.
    """
    facts = tool.facts
    if facts.effect != "read" and found.control == "untrusted":
        return Concern("untrusted_control", "something untrusted would decide what is done")
    if level(found.whole.confidentiality) > level(facts.clearance):
        return Concern("clearance", f"it carries what is {found.whole.confidentiality}, beyond {facts.clearance}")
    return None
