"""Cases: what is asked, what would be right, and which part of an evaluation may see it."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Discriminator, Field, JsonValue, Tag, model_validator

from workbench.core.corpus import ToolSpec, tool_id
from workbench.core.episode import Manner, Prediction, Step, ToolCall
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

    def ideal(self) -> Prediction:
        """What a perfect agent would answer: the example."""
        key = tool_id(self.tool)
        call = ToolCall(tool_id=key, name=self.tool.name, arguments=self.example())
        return Prediction(ranked=(key,), call=call)


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
    manner: Manner | None = None
    """How; None if any way is right."""

    def ideal(self) -> Prediction:
        """What a perfect agent would answer."""
        return Prediction(abstained=True, manner=self.manner)


class ExpectedAnswer(Record):
    """A text, found in documents."""

    kind: Literal["answer"] = "answer"
    answers: tuple[str, ...] = Field(min_length=1)
    """Texts that are right, any of them."""
    documents: tuple[str, ...] = ()
    """Ids of the documents that carry the answer."""

    def ideal(self) -> Prediction:
        """What a perfect agent would answer."""
        return Prediction(ranked=self.documents, answer=self.answers[0])


class Reply(Record):
    """Something a scripted user says once, as soon as it is its turn and its conditions hold."""

    says: str = Field(min_length=1)
    if_says: str = ""
    """A text that the agent's last message must hold, whatever the case; empty if it may say anything."""
    if_called: str = ""
    """A tool that the agent must have called since the user spoke last; empty if it need not."""


class UserScript(Record):
    """A user who says the request, and then after each message of the agent the first reply that fits and is unsaid."""

    kind: Literal["script"] = "script"
    replies: tuple[Reply, ...] = ()
    most_turns: int = Field(default=8, ge=1)
    """Messages of the user, the request included; then the conversation ends."""


class Persona(Record):
    """A user who says the request, and then what a language model makes of who they are."""

    kind: Literal["persona"] = "persona"
    persona: str = Field(min_length=1)
    """Who they are, what they want, what they know, and when they are content."""
    model: str = Field(min_length=1)
    """The language model that plays them: another one is another case."""
    most_turns: int = Field(default=8, ge=1)
    """Messages of the user, the request included; then the conversation ends."""


def _user_kind(user: object) -> str:
    """Nobody has to write the kind: a persona is what has one."""
    return "persona" if isinstance(user, Persona) or (isinstance(user, dict) and "persona" in user) else "script"


User = Annotated[Annotated[UserScript, Tag("script")] | Annotated[Persona, Tag("persona")], Discriminator(_user_kind)]


class WorldCall(Record):
    """A call of a tool that a world offers."""

    tool: str = Field(min_length=1)
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class ExpectedState(Record):
    """A conversation, begun by the request, after which a world is as it should be."""

    kind: Literal["state"] = "state"
    world: str = Field(min_length=1)
    """The name of the world's code."""
    tools: tuple[ToolSpec, ...] = ()
    """What the world offers; empty if its code brings its own tools."""
    start: dict[str, JsonValue] = Field(default_factory=dict)
    """What the world begins with, in its own terms."""
    state: dict[str, JsonValue] = Field(min_length=1)
    """What must be so in the end."""
    match: Literal["exact", "keys"] = "keys"
    """Whether the whole state must be equal, or only the keys that are named; lists are always compared whole."""
    user: User = UserScript()
    solution: tuple[WorldCall, ...] = ()
    """Calls that reach the state; checks replay them."""

    def ideal(self) -> Prediction:
        """What a perfect agent would leave behind."""
        steps = (_step(call.tool, "tool", call.arguments) for call in self.solution)
        return Prediction(answer="Done.", state=self.state, steps=(*steps, _step("say", "agent", {})))


def _step(name: str, kind: Literal["tool", "agent"], inputs: dict[str, JsonValue]) -> Step:
    return Step(name=name, kind=kind, inputs=inputs, outputs={}, start_milliseconds=0, milliseconds=0)


Task = Annotated[ExpectedCall | ExpectedAbstention | ExpectedAnswer | ExpectedState, Field(discriminator="kind")]


class ExpectedResistance(Record):
    """Under attack: the honest task is still done, and nothing that the attack wants happens."""

    kind: Literal["resistance"] = "resistance"
    forbidden_tools: tuple[str, ...] = ()
    """Names of tools that must not be called."""
    forbidden_texts: tuple[str, ...] = ()
    """Texts that must not appear in what the agent says or passes to tools (canaries), whatever the case."""
    task: Task
    """What is right in spite of the attack."""

    @model_validator(mode="after")
    def _forbids_something(self) -> "ExpectedResistance":
        if not self.forbidden_tools and not any(map(str.strip, self.forbidden_texts)):
            raise ValueError("forbids nothing; name forbidden_tools or forbidden_texts")
        return self

    def ideal(self) -> Prediction:
        """What a perfect agent would answer: the task done, and nothing else."""
        return self.task.ideal()


Expected = Annotated[
    ExpectedCall | ExpectedAbstention | ExpectedAnswer | ExpectedState | ExpectedResistance,
    Field(discriminator="kind"),
]


class Case(Record):
    """One request with what would be right."""

    case_id: str = Field(min_length=1)
    request: str = Field(min_length=1)
    expected: Expected
    cluster: str
    """Cases of one cluster are not independent (they share tools): intervals resample clusters."""
    tags: tuple[str, ...] = ()
    """Slices of a report, for instance the set a case comes from."""

    @property
    def task(self) -> Task:
        """What is to be done: what is expected, without the attack if there is one."""
        return self.expected.task if isinstance(self.expected, ExpectedResistance) else self.expected


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
