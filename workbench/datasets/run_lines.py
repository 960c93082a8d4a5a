"""Plain JSON Lines of episodes: the form to write when no other fits.

One object a line; fields with a question mark may be left out, and others are refused:

    case_id      names the case; lines of one case and different repeats or agents belong together
    request      what was asked
    answer | call | abstained | failure     exactly one: a text; {"name": ..., "arguments": {...}}; true; or
                 {"blame": ..., "kind": ..., "message": ...}, whose blame is one of agent, tool, grader, simulator,
                 infrastructure, data
    scores       {metric: value in [0, 1]}; null or a metric that other lines have and this has not is unscored
    agent?       configuration; the file's name if left out
    cluster?     cases that share something; the case itself if left out
    tags?        list of texts, for slices
    repeat?      from 0; 0 if left out
    tokens?, usd?, milliseconds?            of the episode; unknown if left out

>>> line = b'{"case_id": "q-1", "request": "2 + 2?", "answer": "4", "scores": {"answer_exact": 1.0}}'
>>> _Line.model_validate_json(line).answer
'4'
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, TypeAdapter, model_validator

from workbench.core import Episode, Failure, Prediction, Record, Score, ToolCall, Usage
from workbench.datasets.recording import Attempt, Origin, Recorded, assemble, lines, parse, scored, stem, unscored

_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Call(Record):
    name: str = Field(min_length=1)
    arguments: dict[str, JsonValue]


class _Line(Record):
    model_config = ConfigDict(strict=True)

    case_id: str = Field(min_length=1)
    request: str
    answer: str | None = None
    call: _Call | None = None
    abstained: Literal[True] | None = None
    failure: Failure | None = None
    scores: dict[str, _Share | None]
    agent: str | None = Field(default=None, min_length=1)
    cluster: str | None = None
    tags: list[str] = Field(default_factory=list)
    repeat: int = Field(default=0, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    usd: _Amount | None = None
    milliseconds: _Amount | None = None

    @model_validator(mode="after")
    def _has_one_outcome(self) -> "_Line":
        names = ("answer", "call", "abstained", "failure")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"has {' and '.join(given) or 'none'} of {', '.join(names)}; give exactly one")
        return self


_LINE = TypeAdapter(_Line)


def read_lines(path: Path) -> Recorded:
    """One run for each agent of the file, in the form above; costs that any line leaves out are unmeasured.

    Raises: DataError with file and line.
    """
    fields = _Line.model_fields
    found = [parse(_LINE, line, where=f"{path}:{number}", kind="lines", fields=fields) for number, line in lines(path)]
    metrics = tuple(sorted({metric for line in found for metric in line.scores}))
    origin = Origin(
        name=stem(path),
        source="recorded elsewhere",
        grader="as recorded",
        metrics=metrics,
        unmeasured=_unmeasured(found),
    )
    return assemble(origin, (_attempt(origin, line) for line in found), path)


def _unmeasured(found: Iterable[_Line]) -> tuple[str, ...]:
    gone = {
        "tokens": any(line.tokens is None for line in found),
        "lm_calls": True,
        "usd": any(line.usd is None for line in found),
        "model_ms_p50": True,
        "model_ms_p95": True,
        "latency_ms_p50": any(line.milliseconds is None for line in found),
        "latency_ms_p95": any(line.milliseconds is None for line in found),
    }
    return tuple(name for name, missing in gone.items() if missing)


def _attempt(origin: Origin, line: _Line) -> Attempt:
    episode = Episode(
        case_id=line.case_id,
        repeat=line.repeat,
        prediction=None if line.failure else _prediction(line),
        failure=line.failure,
        usage=Usage(prompt_tokens=line.tokens or 0, usd=line.usd),
        milliseconds=line.milliseconds or 0.0,
    )
    return Attempt(
        agent=line.agent or origin.name,
        request=line.request,
        cluster=line.case_id if line.cluster is None else line.cluster,
        tags=tuple(line.tags),
        episode=episode,
        scores=tuple(_score(episode, metric, line.scores.get(metric)) for metric in origin.metrics),
    )


def _score(episode: Episode, metric: str, value: float | None) -> Score:
    if value is None:
        return unscored(episode, metric, "data", "the line holds no score")
    return scored(episode, metric, value)


def _prediction(line: _Line) -> Prediction:
    call = line.call and ToolCall(tool_id=line.call.name, name=line.call.name, arguments=line.call.arguments)
    return Prediction(answer=line.answer, call=call, abstained=bool(line.abstained))
