"""The worst cases on a page: what was asked, what the agent did step by step, and why it scored low."""

import json
from collections.abc import Iterable

from pydantic import JsonValue

from workbench.core import Episode, Score, Step
from workbench.evals import Worst
from workbench.tracking.page_table import number, table, text

_LONGEST = 4000  # characters of one step's inputs or outputs: a page of ten cases stays readable and below a megabyte
_OPEN = 3
"""Cases that are unfolded when the page opens."""


def render_cases(cases: Iterable[Worst]) -> str:
    """Each case folded under one line, the first few unfolded; empty where there is none."""
    return "".join(_case(one, opened=place < _OPEN) for place, one in enumerate(cases))


def _case(one: Worst, *, opened: bool) -> str:
    episode = one.episode
    repeat = f", repeat {episode.repeat}" if episode.repeat else ""
    failed = f", failed: {episode.failure.blame}: {episode.failure.kind}" if episode.failure else ""
    head = f"<b>{text(episode.case_id + repeat)}</b> mean score {number(one.mean)}{text(failed)}"
    tags = f" <small>{text(', '.join(one.tags))}</small>" if one.tags else ""
    parts = (
        _facts(one),
        table(("metric", "score", "why"), map(_score, one.scores)),
        _trajectory(episode),
    )
    return f"<details{' open' if opened else ''}><summary>{head}{tags}</summary>{''.join(parts)}</details>"


def _facts(one: Worst) -> str:
    """What was asked, expected, answered, and what broke, as far as each is known."""
    facts = (
        ("asked", one.request),
        ("expected", _show(one.expected)),
        ("answered", _answer(one.episode)),
        ("failed", one.episode.failure.message if one.episode.failure else ""),
    )
    rows = (f"<tr><td class=n>{name}</td><td><pre>{_cut(what)}</pre></td></tr>" for name, what in facts if what)
    return f"<table>{''.join(rows)}</table>"


def _answer(episode: Episode) -> str:
    prediction = episode.prediction
    if prediction is None:
        return ""
    if prediction.malformed:
        return f"malformed: {prediction.malformed}"
    if prediction.call is not None:
        return _show(prediction.call.model_dump(mode="json"))
    if prediction.answer is not None:
        return prediction.answer
    manner = f" ({prediction.manner})" if prediction.manner else ""
    return f"abstained{manner}" if prediction.abstained else "nothing"


def _score(score: Score) -> tuple[str, str, str]:
    return score.metric, "unscored" if score.value is None else number(score.value), score.reason


def _trajectory(episode: Episode) -> str:
    steps = episode.prediction.steps if episode.prediction else ()
    if not steps:
        return "<p><small>no steps were recorded</small></p>"
    head = "".join(f"<th>{name}</th>" for name in ("step", "inputs", "outputs"))
    return f"<table><tr>{head}</tr>{''.join(_step(place, step) for place, step in enumerate(steps, start=1))}</table>"


def _step(place: int, step: Step) -> str:
    error = f"<pre class=error>{_cut(step.error)}</pre>" if step.error else ""
    name = f"{place}. {step.kind}<br><b>{text(step.name)}</b><br><small>{number(step.milliseconds)} ms</small>"
    inputs, outputs = (f"<pre>{_cut(_fields(fields))}</pre>" for fields in (step.inputs, step.outputs))
    return f"<tr><td class=n>{name}</td><td>{inputs}</td><td>{outputs}{error}</td></tr>"


def _fields(fields: dict[str, JsonValue]) -> str:
    """One field after the other; texts with their own line breaks."""
    return "\n".join(f"{name}: {value if isinstance(value, str) else _show(value)}" for name, value in fields.items())


def _show(value: JsonValue) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _cut(content: str) -> str:
    if len(content) <= _LONGEST:
        return text(content)
    return f"{text(content[:_LONGEST])}… <small>({len(content):,} characters)</small>"
