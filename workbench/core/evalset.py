"""Cases: what is asked, what would be right, and which part of an evaluation may see it."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from workbench.core.corpus import ToolSpec
from workbench.core.record import Record

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


class ExpectedCall(Record):
    """One call of one tool."""

    kind: Literal["call"] = "call"
    tool: ToolSpec
    arguments: dict[str, list[JsonValue]]
    """For each argument the values that are right; the empty string among them means it may be left out."""

    def example(self) -> dict[str, JsonValue]:
        """One right set of arguments: the first right value of each argument that must be given.

        >>> tool = ToolSpec(name="ride", parameters={"properties": {"to": {}, "kind": {}}, "required": ["to"]})
        >>> ExpectedCall(tool=tool, arguments={"kind": ["", "plus"], "to": ["Rome"]}).example()
        {'to': 'Rome'}
        """
        required = self.tool.required
        order = (*required, *(name for name in self.arguments if name not in required))
        return {name: _first(self.arguments[name]) for name in order if _must(name, required, self.arguments)}


def _must(name: str, required: Sequence[str], arguments: dict[str, list[JsonValue]]) -> bool:
    values = arguments.get(name, [])
    return bool(values) and (name in required or "" not in values)


def _first(values: list[JsonValue]) -> JsonValue:
    return _plain(next((value for value in values if value != ""), ""))


def _plain(value: JsonValue) -> JsonValue:
    """Inside objects each key again holds the list of its right values."""
    if isinstance(value, dict):
        inner: dict[str, list[JsonValue]] = {
            key: held if isinstance(held, list) else [held] for key, held in value.items()
        }
        return {key: _first(held) for key, held in inner.items() if "" not in held}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


class ExpectedAbstention(Record):
    """No tool fits: the agent should say so and call none."""

    kind: Literal["abstention"] = "abstention"


class ExpectedAnswer(Record):
    """A text, found in documents."""

    kind: Literal["answer"] = "answer"
    answers: tuple[str, ...] = Field(min_length=1)
    """Texts that are right, any of them."""
    documents: tuple[str, ...] = ()
    """Ids of the documents that carry the answer."""


Expected = Annotated[ExpectedCall | ExpectedAbstention | ExpectedAnswer, Field(discriminator="kind")]


class Case(Record):
    """One request with what would be right."""

    case_id: str = Field(min_length=1)
    request: str = Field(min_length=1)
    expected: Expected
    cluster: str
    """Cases of one cluster are not independent (they share tools): intervals resample clusters."""
    tags: tuple[str, ...] = ()
    """Slices of a report, for instance the set a case comes from."""


class EvalSet(Record):
    """Cases in three disjoint splits."""

    name: str
    train: tuple[Case, ...]
    val: tuple[Case, ...]
    test: tuple[Case, ...]
    sources: tuple[str, ...] = ()
    """Digests of what the cases were made from."""

    @model_validator(mode="after")
    def _splits_are_disjoint(self) -> "EvalSet":
        counts = Counter(case.case_id for split in SPLITS for case in self.split(split))
        twice = sorted(case_id for case_id, count in counts.items() if count > 1)
        if twice:
            raise ValueError(
                f"case {twice[0]!r}: appears {counts[twice[0]]} times in eval set {self.name!r}; ids must be unique"
            )
        return self

    def split(self, split: Split) -> Sequence[Case]:
        """The cases of one split, in order."""
        return {"train": self.train, "val": self.val, "test": self.test}[split]
