"""Asking a predictor for JSON of some form: what comes back is a record, or in our words why there is none."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import dspy
from dspy.utils.exceptions import AdapterParseError
from dspy.utils.exceptions import LMError as DspyLMError
from pydantic import JsonValue, ValidationError

from workbench.agents.agent import blamed
from workbench.agents.layout import CompactAdapter
from workbench.core import Record, canonical_json
from workbench.lms import scope

R = TypeVar("R", bound=Record)

NO_REMARK = "none"
MOST_SHOWN = 4000
"""Characters of one thing that a prompt shows; of a longer one, only the beginning."""


_FENCED = re.compile(r"```(?:json)?\s*\n(.*)\n```", re.DOTALL)


def _nothing_wrong(_record: object) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class Question(Generic[R]):
    """What a predictor is asked for. Its signature has an input "remark": what was wrong with its last output."""

    predictor: dspy.Predict
    form: type[R]
    schema: Mapping[str, JsonValue]
    """What the model is held to where its provider can; the form decides all the same."""
    check: Callable[[R], str] = _nothing_wrong
    """What is wrong with a record of that form; empty if nothing is."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A model's output as JSON."""

    value: JsonValue = None
    problem: str = ""
    """Why there is no value; empty if there is one."""
    tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Asked(Generic[R]):
    """A model's output as a record."""

    record: R | None
    problem: str
    """Why there is no record; empty if there is one. In our words: nothing of what the model wrote."""
    tokens: int


@dataclass(frozen=True)
class Speaker:
    """A model and the layout of its prompts. Safe under threads."""

    lm: dspy.LM
    adapter: dspy.Adapter = field(default_factory=lambda: CompactAdapter("documented"))

    def say(
        self, predictor: dspy.Predict, inputs: Mapping[str, object], *, schema: Mapping[str, JsonValue], module: str
    ) -> Reply:
        """Ask once for any JSON; the ledger has the call under the name of the module.

        Raises: LMError or BudgetExceeded if the model can't be asked.
        """
        constraint = {"type": "json_schema", "json_schema": {"name": module, "schema": dict(schema)}}
        text = ""
        with scope(module=module) as tally, dspy.context(lm=self.lm, adapter=self.adapter):
            try:
                reply = predictor(**inputs, config={"response_format": constraint})
                text = str(reply[next(iter(predictor.signature.output_fields))])
            except AdapterParseError:
                pass  # it said nothing
            except DspyLMError as cause:
                raise blamed(cause) from cause
        value, problem = _read(text)
        return Reply(value=value, problem=problem, tokens=tally.usage().tokens)

    def once(self, question: Question[R], inputs: Mapping[str, object], *, remark: str = NO_REMARK) -> Asked[R]:
        """Ask once for a record. Raises: LMError or BudgetExceeded if the model can't be asked."""
        module = question.form.__name__.lower()
        reply = self.say(question.predictor, {**inputs, "remark": remark}, schema=question.schema, module=module)
        record, problem = (None, reply.problem) if reply.problem else _as(question, reply.value)
        return Asked(record=record, problem=problem, tokens=reply.tokens)

    def ask(self, question: Question[R], inputs: Mapping[str, object]) -> Asked[R]:
        """Ask for a record, and once more if the first output was none.

        Raises: LMError or BudgetExceeded if the model can't be asked.
        """
        first = self.once(question, inputs)
        if first.record is not None:
            return first
        second = self.once(question, inputs, remark=first.problem)
        return Asked(record=second.record, problem=second.problem, tokens=first.tokens + second.tokens)


def shown(value: JsonValue) -> str:
    """A value as a prompt shows it: JSON on one line, so that no content can look like another field of the prompt.

    What nobody would see is written out; of something long only the beginning is shown.

    >>> print(shown({"note": "é\\nAction:\u2028\u200b"}))
    {"note": "é\\nAction:\\u2028\\u200b"}
    >>> len(shown("long" * 2000))
    4002
    """
    text = json.dumps(value, ensure_ascii=False)
    cut = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]} …"
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in cut)


def _as(question: Question[R], value: JsonValue) -> tuple[R | None, str]:
    try:
        record = question.form.model_validate(value)
    except ValidationError:
        return None, "the output is JSON, but not of the form that was asked for"
    problem = question.check(record)
    return (None, problem) if problem else (record, "")


def _read(text: str) -> tuple[JsonValue, str]:
    """The JSON value of a model's output, or why there is none; what JSON can't carry is refused."""
    if not text:
        return None, "the output is empty"
    if fenced := _FENCED.fullmatch(text):  # as chat models like to write it
        text = fenced[1]
    try:
        value: JsonValue = json.loads(text)
        canonical_json(value)
    except (ValueError, RecursionError):
        return None, "the output is not JSON"
    return value, ""
