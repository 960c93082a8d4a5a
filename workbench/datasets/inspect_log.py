"""Inspect's `.eval` logs: a zip of JSON with a header, and a file for each sample and epoch.

Source: Inspect AI, log/_recorders/eval.py for the names in the zip, log/_log.py for EvalSample, scorer/_metric.py for
the letters; inspect.aisi.org.uk/eval-logs.html.
"""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field, JsonValue, TypeAdapter

from workbench.core import Blame, DataError, Episode, Failure, Prediction, Score, Step, Usage, boundary
from workbench.datasets.recording import (
    Attempt,
    Foreign,
    Origin,
    Recorded,
    assemble,
    failed,
    parse,
    said,
    scored,
    stem,
    step,
    unscored,
)

_HEADERS = ("header.json", "_journal/start.json", "start.json")
"""Where the description of the evaluation stands: finished, broken off, and before the journal was introduced."""
_LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
"""What Inspect's value_to_float makes of a value that is a text: correct, incorrect, partial, no answer."""
_OURS = ("operator", "custom")
"""Limits that a person or the task's code set off; all others the agent ran into."""


class _Spec(Foreign):
    task: str
    model: str
    solver: str | None = None


class _Header(Foreign):
    eval: _Spec


class _Part(Foreign):
    type: str = ""
    text: str = ""


class _Call(Foreign):
    id: str = ""
    function: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class _Error(Foreign):
    message: str = ""


class _Message(Foreign):
    role: str
    content: str | list[_Part] = ""
    tool_calls: list[_Call] | None = None
    tool_call_id: str | list[str] | None = None
    function: str | None = None
    error: _Error | None = None


class _Score(Foreign):
    value: JsonValue = None
    explanation: str | None = None


class _Usage(Foreign):
    output_tokens: int = Field(default=0, ge=0)
    total_tokens: int = Field(default=0, ge=0)
    total_cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class _Choice(Foreign):
    message: _Message


class _Output(Foreign):
    choices: list[_Choice] = Field(default_factory=list)


class _Limit(Foreign):
    type: str


class _Sample(Foreign):
    id: int | str
    epoch: int = Field(ge=1)
    input: str | list[_Message]
    messages: list[_Message] = Field(default_factory=list)
    output: _Output = _Output()
    scores: dict[str, _Score] | None = None
    model_usage: dict[str, _Usage] = Field(default_factory=dict)
    total_time: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    error: _Error | None = None
    limit: _Limit | None = None
    attachments: dict[str, str] = Field(default_factory=dict)

    def text(self, message: _Message) -> str:
        """What a message says, with what was stored apart from it."""
        parts = message.content if isinstance(message.content, list) else [_Part(type="text", text=message.content)]
        return "\n".join(self.attached(part.text) for part in parts if part.type == "text")

    def attached(self, text: str) -> str:
        return self.attachments.get(text.removeprefix("attachment://"), text)


def read_inspect(path: Path) -> Recorded:
    """One run, named by solver and model: an epoch is a repeat, a sample a case and a cluster, a scorer a metric.

    C, P, I and N are 1, 0.5, 0 and 0; a score with named parts is a metric for each, `scorer/part`. What is no number
    in [0, 1] is unscored. A sample's error is the infrastructure's; a limit is the agent's doing, unless an operator or
    the task set it off, and matters only where it left the sample without a score. Tokens are those of the evaluated
    model, and include a grader's where it is the same model, for the log adds them up.

    Raises: DataError with the file inside the log.
    """
    header, samples = _unzip(path)
    spec = header.eval
    metrics = sorted({name for sample in samples for name in _values(sample)})
    known = all(spec.model in sample.model_usage for sample in samples)
    priced = known and all(sample.model_usage[spec.model].total_cost is not None for sample in samples)
    timed = all(sample.total_time is not None for sample in samples)
    origin = Origin(
        name=stem(path),
        source="recorded by Inspect",
        grader=f"Inspect: {spec.task}",
        metrics=tuple(metrics),
        unmeasured=(
            *(() if known else ("tokens",)),
            "lm_calls",
            *(() if priced else ("usd",)),
            "model_ms_p50",
            "model_ms_p95",
            *(() if timed else ("latency_ms_p50", "latency_ms_p95")),
        ),
    )
    return assemble(origin, (_attempt(origin, spec, sample) for sample in samples), path)


def _unzip(path: Path) -> tuple[_Header, Sequence[_Sample]]:
    if not path.is_file():
        raise DataError(f"recording {str(path)!r}: is not a file; name one .eval log")
    what = f"Inspect recording ({path}): can't be unzipped; write it anew with 'inspect log convert --to eval'"
    with boundary(DataError, what), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        start = next((name for name in _HEADERS if name in names), None)
        if start is None:
            raise DataError(f"Inspect recording ({path}): has none of {', '.join(_HEADERS)}; is it an .eval log?")
        header = parse(TypeAdapter(_Header), archive.read(start), where=f"{path}: {start}", kind="Inspect")
        form = TypeAdapter(_Sample)
        # A sample that was tried again is in the zip twice under one name; the last one counts.
        chosen = sorted({name for name in names if name.startswith("samples/") and name.endswith(".json")})
        return header, [parse(form, archive.read(name), where=f"{path}: {name}", kind="Inspect") for name in chosen]


def _attempt(origin: Origin, spec: _Spec, sample: _Sample) -> Attempt:
    values = _values(sample)
    failure = _failure(sample)
    episode = Episode(
        case_id=str(sample.id),
        repeat=sample.epoch - 1,
        prediction=_prediction(sample) if failure is None else None,
        failure=failure,
        usage=_usage(sample.model_usage.get(spec.model)),
        milliseconds=(sample.total_time or 0.0) * 1000,
    )
    return Attempt(
        agent=f"{spec.solver}, {spec.model}" if spec.solver else spec.model,
        request=_request(sample),
        cluster=episode.case_id,
        episode=episode,
        scores=tuple(_score(episode, metric, values.get(metric)) for metric in origin.metrics),
    )


def _failure(sample: _Sample) -> Failure | None:
    if sample.error is not None:
        return failed("infrastructure", "sample broke off", sample.error.message)
    if sample.limit is not None and not sample.scores:
        blame: Blame = "infrastructure" if sample.limit.type in _OURS else "agent"
        return failed(blame, "limit", f"the {sample.limit.type} limit was reached")
    return None


def _values(sample: _Sample) -> dict[str, _Score]:
    """The scores by metric; one with named parts is several."""
    found: dict[str, _Score] = {}
    for name, one in (sample.scores or {}).items():
        if isinstance(one.value, dict):
            parts = {
                f"{name}/{part}": _Score(value=value, explanation=one.explanation) for part, value in one.value.items()
            }
            found.update(parts)
        else:
            found[name] = one
    return found


def _score(episode: Episode, metric: str, one: _Score | None) -> Score:
    if one is None:
        return unscored(episode, metric, "data", "the log holds no score of this name")
    if isinstance(one.value, str):
        value = _LETTERS.get(one.value)
    elif isinstance(one.value, int | float):
        value = float(one.value)
    else:
        value = None
    if value is None or not 0 <= value <= 1:
        return unscored(episode, metric, "grader", f"{one.value!r} is no number in [0, 1]"[:300])
    return scored(episode, metric, value, "" if value == 1 else one.explanation or "")


def _request(sample: _Sample) -> str:
    if isinstance(sample.input, str):
        return sample.attached(sample.input)
    return "\n".join(sample.text(message) for message in sample.input if message.role == "user")


def _prediction(sample: _Sample) -> Prediction:
    answer = sample.text(sample.output.choices[0].message) if sample.output.choices else None
    return Prediction(answer=answer, steps=tuple(_steps(sample)))


def _steps(sample: _Sample) -> Iterator[Step]:
    calls: dict[str, _Call] = {}
    for message in sample.messages:
        text = sample.text(message)
        if message.role == "user":
            yield said("user", text)
        elif message.role == "tool":
            called = calls.get(str(message.tool_call_id))
            error = message.error.message or "failed" if message.error is not None else ""
            yield step(
                message.function or (called.function if called else "unknown"),
                "tool",
                inputs=called.arguments if called else {},
                outputs={} if error else {"result": text},
                error=error,
            )
        elif message.tool_calls:
            calls.update((call.id, call) for call in message.tool_calls)
            names: list[JsonValue] = [call.function for call in message.tool_calls]
            yield step("choose tools", "lm", outputs={"text": text, "tools": names})
        elif message.role == "assistant":
            yield said("agent", text)


def _usage(used: _Usage | None) -> Usage:
    if used is None:
        return Usage(usd=None)
    prompt = max(0, used.total_tokens - used.output_tokens)
    return Usage(prompt_tokens=prompt, completion_tokens=used.output_tokens, usd=used.total_cost)
