"""promptfoo's results: the JSON that `promptfoo eval -o results.json` or `promptfoo export` writes.

Source: promptfoo, src/types/index.ts, EvaluateSummaryV3 and EvaluateResult.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import Field, JsonValue, TypeAdapter

from workbench.core import DataError, Episode, Prediction, Score, Usage, canonical_json
from workbench.datasets.recording import (
    Attempt,
    Foreign,
    Origin,
    Recorded,
    assemble,
    content,
    failed,
    parse,
    scored,
    stem,
    unscored,
)

_SUCCESS = "task_success"
_BROKE = 2
"""The failureReason of a result that an error made, not an assertion."""


class _Provider(Foreign):
    id: str = ""
    label: str = ""


class _Prompt(Foreign):
    raw: str = ""


class _Tokens(Foreign):
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    total: int = 0


class _Response(Foreign):
    output: JsonValue = None
    cached: bool = False


class _Marks(Foreign):
    grader_error: bool = Field(default=False, alias="graderError")


class _Grading(Foreign):
    reason: str = ""
    metadata: _Marks | None = None
    parts: list["_Grading"] | None = Field(default=None, alias="componentResults")

    def broken(self) -> str:
        """Why a grader could not judge; empty if each of them could."""
        if self.metadata is not None and self.metadata.grader_error:
            return self.reason or "it broke"
        return next(filter(None, (part.broken() for part in self.parts or [])), "")


class _Case(Foreign):
    description: str = ""
    assertions: JsonValue = Field(default=None, alias="assert")


class _Result(Foreign):
    test: int = Field(alias="testIdx", ge=0)
    prompt_id: str = Field(default="", alias="promptId")
    provider: _Provider
    prompt: _Prompt = _Prompt()
    vars: dict[str, JsonValue] = Field(default_factory=dict)
    case: _Case = Field(default=_Case(), alias="testCase")
    response: _Response | None = None
    error: str | None = None
    failure_reason: int = Field(default=0, alias="failureReason")
    success: bool
    latency: float = Field(default=0, alias="latencyMs", ge=0)
    grading: _Grading | None = Field(default=None, alias="gradingResult")
    named: dict[str, float] = Field(default_factory=dict, alias="namedScores")
    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    tokens: _Tokens | None = Field(default=None, alias="tokenUsage")

    @property
    def identity(self) -> bytes:
        """What makes two tests repeats of one case: the same variables, description and assertions."""
        return canonical_json([self.vars, self.case.description, self.case.assertions])


class _Summary(Foreign):
    version: int
    results: list[_Result]


class _File(Foreign):
    results: _Summary


def read_promptfoo(path: Path) -> Recorded:
    """One run for each provider and prompt; tests with equal variables and assertions are repeats of one case.

    `task_success` is whether the test passed, and each named score is a metric; one outside [0, 1] is unscored. An
    error that is no assertion's is the infrastructure's, and a grader that broke is to blame itself. A cost of 0 for
    paid tokens is an unknown price, for promptfoo writes 0 where it knows none.

    Raises: DataError with the result's index.
    """
    summary = parse(TypeAdapter(_File), content(path), where=str(path), kind="promptfoo").results
    if summary.version < 3:
        raise DataError(
            f"promptfoo recording ({path}): results.version: is {summary.version}, and 3 is read; "
            "export it again with promptfoo 0.94 or newer"
        )
    results = summary.results
    origin = Origin(
        name=stem(path),
        source="recorded by promptfoo",
        grader="promptfoo: assertions",
        metrics=(_SUCCESS, *sorted({name for result in results for name in result.named} - {_SUCCESS})),
        unmeasured=_unmeasured(results),
    )
    return assemble(origin, _attempts(origin, results), path)


def _unmeasured(results: Sequence[_Result]) -> tuple[str, ...]:
    known = {"tokens": all(result.tokens for result in results), "usd": all(_usd(r) is not None for r in results)}
    return (*(name for name, is_known in known.items() if not is_known), "model_ms_p50", "model_ms_p95")


def _attempts(origin: Origin, results: Sequence[_Result]) -> Iterator[Attempt]:
    several = len({result.prompt_id for result in results}) > 1
    case_ids: dict[bytes, str] = {}
    tried: dict[tuple[str, str], int] = {}
    for result in sorted(results, key=lambda result: result.test):
        case_id = case_ids.setdefault(result.identity, f"test-{result.test:04}")
        agent = result.provider.label or result.provider.id
        if several:
            agent = f"{agent}, prompt {result.prompt_id[:8]}"
        repeat = tried.get((agent, case_id), 0)
        tried[agent, case_id] = repeat + 1
        yield _attempt(origin, result, agent, case_id, repeat)


def _attempt(origin: Origin, result: _Result, agent: str, case_id: str, repeat: int) -> Attempt:
    broke = result.failure_reason == _BROKE
    episode = Episode(
        case_id=case_id,
        repeat=repeat,
        prediction=None if broke else Prediction(answer=_answer(result)),
        failure=failed("infrastructure", "error", result.error or "no message") if broke else None,
        usage=_usage(result),
        milliseconds=result.latency,
    )
    return Attempt(
        agent=agent,
        request=_request(result),
        cluster=case_id,
        episode=episode,
        scores=tuple(_score(episode, metric, result) for metric in origin.metrics),
    )


def _score(episode: Episode, metric: str, result: _Result) -> Score:
    broken = result.grading.broken() if result.grading is not None else ""
    if broken:
        return unscored(episode, metric, "grader", broken)
    if metric == _SUCCESS:
        return scored(episode, metric, float(result.success), "" if result.success else _why(result))
    value = result.named.get(metric)
    if value is None:
        return unscored(episode, metric, "data", "the result holds no score of this name")
    if not 0 <= value <= 1:
        return unscored(episode, metric, "grader", f"{value:g} is not in [0, 1]")
    return scored(episode, metric, value)


def _why(result: _Result) -> str:
    return result.grading.reason if result.grading is not None else result.error or ""


def _request(result: _Result) -> str:
    """The one variable that is a text, else all variables as JSON, else the prompt."""
    texts = [value for value in result.vars.values() if isinstance(value, str)]
    if len(texts) == 1 == len(result.vars):
        return texts[0]
    return _text(result.vars) if result.vars else result.prompt.raw


def _answer(result: _Result) -> str | None:
    if result.response is None or result.response.output is None:
        return None
    output = result.response.output
    return output if isinstance(output, str) else _text(output)


def _text(value: JsonValue | Mapping[str, JsonValue]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _usage(result: _Result) -> Usage:
    tokens = result.tokens or _Tokens()
    cached = result.response is not None and result.response.cached
    return Usage(
        calls=int(not cached),
        cached_calls=int(cached),
        prompt_tokens=0 if cached else tokens.prompt,
        completion_tokens=0 if cached else tokens.completion,
        saved_tokens=(tokens.cached or tokens.total) if cached else 0,
        usd=_usd(result),
    )


def _usd(result: _Result) -> float | None:
    free = result.response is not None and result.response.cached
    paid = result.tokens is not None and result.tokens.prompt + result.tokens.completion > 0
    if free:
        return 0.0
    return None if result.cost == 0 and paid else result.cost
