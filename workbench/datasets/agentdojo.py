"""AgentDojo's run files, gathered as JSON Lines: agents with tools, with and without an attack in what tools return.

Source: Debenedetti et al. 2024, AgentDojo: A Dynamic Environment to Evaluate Prompt Injection Attacks and Defenses for
LLM Agents; the format of its `runs/<pipeline>/<suite>/<user task>/<attack>/<injection task>.json`, whose path each
line carries as `_path`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field, JsonValue, TypeAdapter

from workbench.core import Blame, DataError, Episode, Failure, Prediction, Score, Step, Usage
from workbench.datasets.recording import (
    Attempt,
    Foreign,
    Origin,
    Recorded,
    assemble,
    failed,
    inapplicable,
    lines,
    parse,
    said,
    scored,
    stem,
    step,
    unscored,
)

_SUCCESS, _RESISTANCE = "task_success", "injection_resistance"
_CONTROL = "injection_task"
"""How the name of a user task begins that is an attack's own task, given openly to see whether it can be done."""


class _Part(Foreign):
    content: str = ""


class _Call(Foreign):
    function: str
    args: dict[str, JsonValue] = Field(default_factory=dict)


class _Message(Foreign):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    tool_call: _Call | None = None
    error: str | None = None

    @property
    def text(self) -> str:
        """What was said, its parts one after the other."""
        if isinstance(self.content, list):
            return "\n".join(part.content for part in self.content)
        return self.content or ""


class _Row(Foreign):
    path: str = Field(alias="_path")
    user_task_id: str
    injection_task_id: str | None = None
    attack_type: str | None = None
    messages: list[_Message]
    utility: bool | None = None
    security: bool | None = None
    error: str | None = None
    duration: float = Field(ge=0, allow_inf_nan=False)
    total_tokens: int | None = Field(default=None, ge=0)


_ROW = TypeAdapter(_Row)


def read_agentdojo(path: Path) -> Recorded:
    """One run for each pipeline, which the second part of `_path` names; a cluster is a user task.

    `task_success` is the recorded utility. `injection_resistance` is 1 minus the recorded security, which says whether
    the attack succeeded; it applies only under attack: without one the file says `true` for every episode. Where a user
    task is an attack's own task, given openly as a control, neither applies. What the recorder skipped or did not
    grade is unscored. Milliseconds are the recorded duration. Where total tokens are recorded, and only there, they are
    in `prompt_tokens`, since the file does not divide them; the price is not recorded.

    Raises: DataError with file and line.
    """
    origin = Origin(
        name=stem(path),
        source="recorded by AgentDojo",
        grader="AgentDojo: utility and security",
        metrics=(_SUCCESS, _RESISTANCE),
        unmeasured=("tokens", "lm_calls", "usd", "model_ms_p50", "model_ms_p95"),
    )
    return assemble(origin, (_attempt(path, number, line) for number, line in lines(path)), path)


def _attempt(path: Path, number: int, line: bytes) -> Attempt:
    row = parse(_ROW, line, where=f"{path}:{number}", kind="AgentDojo")
    parts = row.path.split("/")
    if len(parts) < 2:
        raise DataError(
            f"AgentDojo recording ({path}:{number}): _path: {row.path!r} names no pipeline; "
            "give each line the path of its run file, runs/<pipeline>/..."
        )
    episode = Episode(
        case_id=f"{row.user_task_id}/{row.attack_type or 'none'}/{row.injection_task_id or 'none'}",
        prediction=None if row.error else _prediction(row.messages),
        failure=_failure(row.error) if row.error else None,
        usage=Usage(prompt_tokens=row.total_tokens or 0, usd=None),
        milliseconds=row.duration * 1000,
    )
    return Attempt(
        agent=parts[1],
        request=next((message.text for message in row.messages if message.role == "user"), ""),
        cluster=row.user_task_id,
        tags=_tags(row),
        episode=episode,
        scores=tuple(_scores(row, episode)),
    )


def _tags(row: _Row) -> tuple[str, ...]:
    if row.user_task_id.startswith(_CONTROL):
        return ("attack:none", "control:injection_task")
    if row.injection_task_id is None:
        return ("attack:none",)
    return (f"attack:{row.attack_type}", f"failure:{row.injection_task_id}", "suite:adversarial")


def _failure(error: str) -> Failure:
    """Too long a context is the agent's doing; everything else for which AgentDojo skips a task is not."""
    long = any(words in error.lower().replace("_", " ") for words in ("context length", "context window"))
    blame: Blame = "agent" if long else "infrastructure"
    return failed(blame, "task was skipped", error)


def _scores(row: _Row, episode: Episode) -> Iterator[Score]:
    if row.user_task_id.startswith(_CONTROL):
        done = "nobody graded" if row.utility is None else "was done" if row.utility else "was not done"
        yield inapplicable(episode, _SUCCESS, f"a control: the attack's own task, given openly, {done}")
    else:
        yield _graded(episode, _SUCCESS, row.utility)
    if row.injection_task_id is None:
        yield inapplicable(episode, _RESISTANCE, "nothing attacked the agent")
    else:
        yield _graded(episode, _RESISTANCE, None if row.security is None else not row.security)


def _graded(episode: Episode, metric: str, passed: bool | None) -> Score:
    if passed is None:
        return unscored(episode, metric, "data", "the recording holds no result")
    return scored(episode, metric, float(passed))


def _prediction(messages: Sequence[_Message]) -> Prediction:
    last = messages[-1] if messages else None
    spoke = last is not None and last.role == "assistant" and not last.tool_calls
    return Prediction(answer=last.text if last is not None and spoke else None, steps=tuple(_steps(messages)))


def _steps(messages: Sequence[_Message]) -> Iterator[Step]:
    for message in messages:
        if message.role == "user":
            yield said("user", message.text)
        elif message.role == "tool":
            call = message.tool_call or _Call(function="unknown")
            outputs: dict[str, JsonValue] = {} if message.error else {"result": message.text}
            yield step(call.function, "tool", inputs=call.args, outputs=outputs, error=message.error or "")
        elif message.tool_calls:
            names: list[JsonValue] = [call.function for call in message.tool_calls]
            yield step("choose tools", "lm", outputs={"text": message.text, "tools": names})
        elif message.role == "assistant":
            yield said("agent", message.text)
