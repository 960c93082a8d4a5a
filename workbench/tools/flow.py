"""What the labels of a call say: who decides what it does, and how confidential what it carries is."""

from dataclasses import dataclass

from workbench.core import Record
from workbench.safety import UNKNOWN, Integrity, Label, escape, join, label_of, level
from workbench.tools.call import Call
from workbench.tools.tool import Tool


class Flow(Record):
    """A call's labels, in short."""

    whole: Label
    """Of all arguments together."""
    control: Integrity
    """Of the call itself, that is of the label at "", and of the arguments that decide what is done."""


DEFAULT = Label(integrity="trusted", confidentiality="public", sources=("default",))
"""Of an argument that was left out, in a call that has no label as a whole: the tool's own default tells nobody
anything, and that it was left out is what the call itself decides."""


@dataclass(frozen=True)
class Concern:
    """Why the labels don't let a call pass without a person."""

    code: str
    reason: str


def final(tool: Tool, call: Call) -> Call:
    """The call as it would be done: its arguments in the tool's one form, those that it leaves out filled in.

    What does not fit the tool's schema stays as it is. Raises: NotDone if it is not of the function's types.
    """
    if not tool.fits(call.arguments):
        return call
    arguments = tool.formed(call.arguments)
    labels = dict(call.labels)
    if "" not in labels:
        added = [f"/{escape(name)}" for name in arguments if name not in call.arguments]
        labels = {**dict.fromkeys(added, DEFAULT), **labels}
    return call.model_copy(update={"arguments": arguments, "labels": labels})


def flow(tool: Tool, call: Call) -> Flow:
    """The labels of a call in its final form, argument by argument.

    Whoever decides that a tool is called at all, and what is left out, decides what is done: where the call as a whole
    has no label, nobody trusted is known to have decided that.
    """
    labels = {name: label_of(value, f"/{escape(name)}", call.labels) for name, value in call.arguments.items()}
    whole = call.labels.get("", UNKNOWN)
    control = whole.trusted and all(labels[name].trusted for name in tool.controls if name in labels)
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
