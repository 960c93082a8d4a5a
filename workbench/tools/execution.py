"""Running a tool: under its deadline and limits, again where that can do no harm, and what is known afterwards."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeVar

import stamina
from pydantic import JsonValue

from workbench.core import Overdue, WorkbenchError, Workers, boundary, canonical_json
from workbench.safety import Redactor
from workbench.tools.errors import NotDone, ToolError, Unusable
from workbench.tools.limits import Limit, Refused
from workbench.tools.tool import Attempt, Reconciled, Tool

T = TypeVar("T")
FIRST_WAIT_SECONDS = 0.1
"""Before the second attempt; doubled for each further one, with up to as much again at random."""
LONGEST_WAIT_SECONDS = 5.0

_MOST_CHARACTERS = 300
_PATH = re.compile(
    r"(?i:\bfile:/[^\s\"'<>]*)|\\\\[^\s\"'<>]+|(?:[A-Za-z]:\\|(?<![\w/])~?/)[\w.@+-]+(?:[/\\][\w.@+-]*)*"
)
"""A file's URL, a share, or a path that starts at a root or at home."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What is known after a tool ran."""

    what: Literal["done", "unusable", "not_done", "unknown"]
    """It took place; it did, but what it answered can't be used; nothing happened; nobody knows."""
    value: JsonValue = None
    code: str = ""
    message: str = ""
    again: bool = False
    """Whether another attempt may go better and can do no harm."""


class _Again(ToolError):
    """An attempt that is worth another one. It says nothing: whoever logs retries would log it."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.code)
        self.ending = ending


@dataclass
class Execution:
    """Runs the tools of one gate. Limits and breakers are of this gate: each tool's for each tenant."""

    redactor: Redactor
    at_work: list[str] = field(default_factory=list)
    """Actions whose tool is at work, shared with the other gates of the process."""
    clock: Callable[[], float] = time.monotonic
    _workers: Workers = field(default_factory=Workers)
    _limits: dict[tuple[str, str], Limit] = field(default_factory=dict)

    def limit(self, tool: Tool, tenant: str) -> Limit:
        """The limits of a tool for a tenant."""
        key = (tool.spec.name, tenant)
        return self._limits.get(key) or self._limits.setdefault(key, Limit(tool.facts, self.clock))

    def running(self, key: str) -> bool:
        """Whether an action's tool is still at work in this process, also long after its deadline."""
        return key in self.at_work

    def run(
        self, tool: Tool, arguments: Mapping[str, JsonValue], first: Attempt, *, permitted: Callable[[], bool]
    ) -> Ending:
        """Run it, and again while that may help; `permitted` is asked before each further attempt."""
        if not tool.facts.retries:
            return self._attempt(tool, arguments, first)
        number = first.number - 1
        ending = Ending(what="not_done", code="stopped", message="tools are switched off for now")
        try:
            for context in stamina.retry_context(
                on=_Again,
                attempts=tool.facts.retries + 1,
                timeout=None,
                wait_initial=FIRST_WAIT_SECONDS,
                wait_max=LONGEST_WAIT_SECONDS,
                wait_jitter=FIRST_WAIT_SECONDS,
            ):
                with context:
                    number += 1
                    if number > first.number and not permitted():
                        return ending
                    attempt = first.model_copy(update={"number": number})
                    ending = _known(ending, self._attempt(tool, arguments, attempt))
                    if ending.again:
                        raise _Again(ending)
        except _Again as last:
            return last.ending
        return ending

    def reconcile(self, tool: Tool, arguments: Mapping[str, JsonValue], attempt: Attempt) -> Reconciled:
        """Ask a tool what became of an action; unknown if it can't tell, or fails to."""
        look = tool.reconcile
        if look is None:
            return Reconciled(state="unknown")
        try:
            with boundary(ToolError, "reconcile"):
                return self._within(tool, attempt, partial(look, _own(arguments), attempt))
        except WorkbenchError:
            return Reconciled(state="unknown")

    def _attempt(self, tool: Tool, arguments: Mapping[str, JsonValue], attempt: Attempt) -> Ending:
        limit = self.limit(tool, attempt.tenant)
        try:
            with boundary(ToolError, "tool"):
                value = self._within(tool, attempt, partial(tool.run, _own(arguments), attempt))
        except Refused as refused:
            return Ending(what="not_done", code=refused.code, message=str(refused))
        except NotDone as told:
            limit.judge(well=not told.again)
            return Ending(what="not_done", code="not_done", message=self.scrub(str(told)), again=told.again)
        except Unusable:
            limit.judge(well=False)
            return Ending(what="unusable")
        except WorkbenchError as error:
            limit.judge(well=False)
            code = "deadline" if isinstance(error, Overdue) else "broken"
            return Ending(what="unknown", code=code, again=tool.facts.repeatable)
        usable = _usable(tool, value)
        limit.judge(well=usable)
        return Ending(what="done", value=value) if usable else Ending(what="unusable")

    def _within(self, tool: Tool, attempt: Attempt, work: Callable[[], T]) -> T:
        limit = self.limit(tool, attempt.tenant)
        limit.enter()
        self.at_work.append(attempt.key)

        def ended() -> None:
            self.at_work.remove(attempt.key)
            limit.leave()

        return self._workers.run(work, seconds=attempt.seconds, ended=ended)

    def scrub(self, text: str) -> str:
        """What a tool says of its failure, for a model: one short line without secrets, personal data and paths."""
        if "Traceback" in text:
            return "the tool failed"
        line = self.redactor.text(" ".join(text.split()))
        return _PATH.sub("[path]", line)[:_MOST_CHARACTERS]


def _own(arguments: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Arguments of an attempt's own: what a tool changes in them, no other attempt sees."""
    own: dict[str, JsonValue] = json.loads(canonical_json(dict(arguments)))
    return own


def _known(before: Ending, last: Ending) -> Ending:
    """What two attempts say together: where the first is unknown, a second that did nothing proves nothing."""
    if before.what == "unknown" and last.what == "not_done":
        return Ending(what="unknown", code=before.code, again=last.again)
    return last


def _usable(tool: Tool, value: JsonValue) -> bool:
    """Whether an answer is JSON and fits its schema."""
    try:
        with boundary(ToolError, "answer"):
            canonical_json(value)
            return tool.returned(value)
    except WorkbenchError:
        return False
