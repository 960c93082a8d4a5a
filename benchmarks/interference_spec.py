"""What labels must be, said a second time and otherwise: as sets over all parts, where the engine walks paths.

Nothing here asks the engine what a label is. Only a call's final form is taken from it, and an axiom is about that.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from pydantic import JsonValue

from benchmarks.interference_play import draw_value, pointer
from benchmarks.interference_world import CALLER, KINDS, LIMIT, World
from workbench.safety import Confidentiality, Label
from workbench.tools import Call, Tool
from workbench.tools.flow import final

RANKS: tuple[Confidentiality, ...] = ("public", "internal", "confidential", "secret")
WORST = Label(integrity="untrusted", confidentiality="secret", sources=("unlabelled",))
PERSON = Label(integrity="trusted", confidentiality="internal", sources=("user",))
_SOURCES = ("document:a", "mail:7", "tool:web", "user")
_KEYS = ("a", "a/b", "~", "", "0", "b~1", "order", "amount")


def draw_label(rng: Random) -> Label:
    """Any label; trusted ones as often as others."""
    return Label(
        integrity=rng.choice(("trusted", "untrusted")),
        confidentiality=rng.choice(RANKS),
        sources=tuple(sorted(rng.sample(_SOURCES, rng.randrange(3)))),
    )


def worst(labels: Sequence[Label]) -> Label:
    """The join, over sets."""
    said = {(one.integrity, one.confidentiality) for one in labels}
    return Label(
        integrity="untrusted" if any(integrity == "untrusted" for integrity, _ in said) else "trusted",
        confidentiality=max((level for _, level in said), key=RANKS.index, default="public"),
        sources=tuple(sorted(set().union(*(one.sources for one in labels)))),
    )


def parts(value: JsonValue, path: str = "") -> Iterator[tuple[str, JsonValue]]:
    """All parts of a value with their pointers, itself first."""
    yield path, value
    pairs = list(value.items()) if isinstance(value, dict) else []
    if isinstance(value, list):
        pairs = [(str(place), item) for place, item in enumerate(value)]
    for name, item in pairs:
        yield from parts(item, path + pointer(name))


def nearest(path: str, labels: Mapping[str, Label]) -> Label:
    """The label with the longest pointer that holds this one."""
    over = [other for other in labels if other == path or path.startswith(f"{other}/")]
    return labels[max(over, key=len)] if over else WORST


def whole(value: JsonValue, path: str, labels: Mapping[str, Label]) -> Label:
    """The worst over all parts."""
    return worst([nearest(inner, labels) for inner, _ in parts(value, path)])


@dataclass(frozen=True)
class Judged:
    """What the labels of a call mean."""

    tool: Tool
    call: Call
    """In its final form."""
    whole: Label
    trusted: bool
    """What decides what is done."""
    worry: str


def judge(call: Call, world: World) -> Judged:
    tool = world.known(call.tool)
    formed, labels = final(tool, call), labels_of(call)
    each = {name: whole(value, pointer(name), labels) for name, value in formed.arguments.items()}
    deciding = [label for name, label in each.items() if name not in tool.facts.content]
    trusted = all(label.integrity == "trusted" for label in (labels.get("", WORST), *deciding))
    all_of_it = worst(list(each.values()))
    loud = RANKS.index(all_of_it.confidentiality) > RANKS.index(tool.facts.clearance)
    wild = tool.facts.effect != "read" and not trusted
    worry = "untrusted_control" if wild else "clearance" if loud else ""
    return Judged(tool, formed, all_of_it, trusted, worry)


def defaults(call: Call) -> dict[str, JsonValue]:
    """What a call leaves out, if it fits."""
    if not typed(call):
        return {}
    schemas = KINDS[call.tool].arguments.items()
    return {name: schema["default"] for name, schema in schemas if "default" in schema and name not in call.arguments}


def labels_of(call: Call) -> dict[str, Label]:
    """The labels of a call in its final form."""
    fits = typed(call) and set(KINDS[call.tool].required) <= set(call.arguments)
    spare = Label(integrity="trusted", confidentiality="public", sources=("default",))
    names = defaults(call) if fits and "" not in call.labels else {}
    return {**call.labels, **dict.fromkeys((pointer(name) for name in names), spare)}


def expected(call: Call, judged: Judged) -> tuple[str, str]:
    """What the gate must say: schema, pointers, policies, labels, approvals, in this order."""
    kind, amount, label = KINDS[call.tool], call.arguments.get("amount"), judged.whole
    if not set(kind.required) <= set(call.arguments) or not typed(call):
        return "denied", "bad_arguments"
    known = {path for path, _ in parts(judged.call.arguments)}
    if any(path not in known for path in call.labels):
        return "denied", "bad_labels"
    if call.tool == "post" and label.confidentiality in {"confidential", "secret"}:
        return "denied", "forbidden"
    if judged.worry and kind.facts.approval == "never":
        return "denied", judged.worry
    asks = (
        (call.tool == "refund" and isinstance(amount, int) and amount > LIMIT)
        or (call.tool == "vault" and not judged.trusted)
        or (call.tool == "mail" and "tool:web" in label.sources)
    )
    if asks or judged.worry or kind.facts.approval == "always":
        return "pending", "approval_needed"
    return "done", ""


def typed(call: Call) -> bool:
    amount = call.arguments.get("amount", 1)
    if call.tool == "refund":
        return isinstance(amount, int) and not isinstance(amount, bool)
    return call.tool != "post" or all(isinstance(call.arguments.get(name, ""), str) for name in ("to", "sa~me/as"))


def draw_call(rng: Random) -> Call:
    """Any call, with labels on any of its parts and sometimes on none that is there."""
    tool = rng.choice(sorted(KINDS))
    kind = KINDS[tool]
    names = [name for name in kind.arguments if name in kind.required or rng.random() < 0.7]
    arguments = {name: _fitting(rng, name) for name in names}
    paths = [path for path, _ in parts(arguments)]
    good = rng.random() < 0.7
    labels = {path: draw_label(rng) for path in rng.sample(paths, rng.randrange(min(4, len(paths)) + 1))}
    if good:
        labels = {path: label.model_copy(update={"integrity": "trusted"}) for path, label in labels.items()}
    if rng.random() < 0.75:
        labels[""] = PERSON if good else draw_label(rng)
    if rng.random() < 0.05:
        labels["/nothing"] = WORST
    return Call(tool=tool, arguments=arguments, labels=labels, caller=CALLER, occasion=str(rng.random()))


def _fitting(rng: Random, name: str) -> JsonValue:
    if rng.random() < 0.1:
        return draw_nested(rng, 1)
    return (
        rng.choice((7, LIMIT, LIMIT + 1))
        if name == "amount"
        else "ann"
        if name in {"to", "sa~me/as"}
        else draw_nested(rng, 2)
    )


def draw_nested(rng: Random, depth: int) -> JsonValue:
    if not depth or rng.random() < 0.3:
        return draw_value(rng, 0)
    inside = [draw_nested(rng, depth - 1) for _ in range(rng.randrange(4))]
    if rng.random() < 0.4:
        return inside
    return dict(zip(rng.sample(_KEYS, len(inside)), inside, strict=True))
