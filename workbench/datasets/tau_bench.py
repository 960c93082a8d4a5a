"""tau-bench's run files: a JSON array with one conversation of an agent and a simulated user for each task and trial.

Source: Yao et al. 2024, tau-bench: A Benchmark for Tool-Agent-User Interaction in Real-World Domains; the format of
its `historical_trajectories`.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field, JsonValue, TypeAdapter

from workbench.core import Episode, Prediction, Step, Usage
from workbench.datasets.recording import (
    Attempt,
    Foreign,
    Origin,
    Recorded,
    assemble,
    content,
    failed,
    parse,
    said,
    scored,
    stem,
    step,
)

_SUCCESS = "task_success"
_TO_A_PERSON = "transfer_to_human_agents"
"""The tool of tau-bench's domains that hands the user to a person and ends the conversation."""
_REFUSAL = "Error"
"""How the results of tau-bench's tools begin when they refuse."""


class _Function(Foreign):
    name: str
    arguments: str


class _Call(Foreign):
    function: _Function
    id: str = ""


class _Message(Foreign):
    role: str
    content: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str = ""
    name: str = ""


class _Task(Foreign):
    instruction: str = ""


class _Info(Foreign):
    task: _Task = _Task()
    error: str = ""
    """What broke the run off; the trajectory is then empty."""


class _Row(Foreign):
    task_id: int = Field(ge=0)
    trial: int = Field(ge=0)
    reward: float = Field(ge=0, le=1)
    info: _Info
    traj: list[_Message]


def read_tau_bench(path: Path) -> Recorded:
    """Runs of one agent, named by the file: `task_success` is the reward, a trial is a repeat, a task a cluster.

    An episode that hands the user to a person is an abstention by escalation. Tokens, times and the agent's price are
    not recorded: the `user_cost` of the file is the simulated user's. A run that broke off has no score.

    Raises: DataError with the row's index.
    """
    name = stem(path)
    origin = Origin(
        name=name,
        source="recorded by tau-bench",
        grader="tau-bench: reward",
        metrics=(_SUCCESS,),
        unmeasured=("tokens", "usd", "model_ms_p50", "model_ms_p95", "latency_ms_p50", "latency_ms_p95"),
    )
    rows = parse(TypeAdapter(list[_Row]), content(path), where=str(path), kind="tau-bench")
    return assemble(origin, (_attempt(name, row) for row in rows), path)


def _attempt(agent: str, row: _Row) -> Attempt:
    case_id = f"task-{row.task_id:02}"
    episode = Episode(
        case_id=case_id,
        repeat=row.trial,
        prediction=None if row.info.error else _prediction(row.traj),
        failure=failed("infrastructure", "run broke off", row.info.error) if row.info.error else None,
        usage=Usage(calls=sum(message.role == "assistant" for message in row.traj), usd=None),
        milliseconds=0,
    )
    return Attempt(
        agent=agent,
        request=next(
            (message.content or "" for message in row.traj if message.role == "user"), row.info.task.instruction
        ),
        task=row.info.task.instruction,
        cluster=case_id,
        episode=episode,
        scores=(scored(episode, _SUCCESS, row.reward),),
    )


def _prediction(messages: Sequence[_Message]) -> Prediction:
    steps = tuple(_steps(messages))
    escalated = any(one.name == _TO_A_PERSON and one.kind == "tool" for one in steps)
    answers = [message.content for message in messages if message.role == "assistant" and not message.tool_calls]
    return Prediction(
        answer=answers[-1] if answers else None,
        abstained=escalated,
        manner="escalate" if escalated else None,
        steps=steps,
    )


def _steps(messages: Sequence[_Message]) -> Iterator[Step]:
    calls: dict[str, _Function] = {}
    for message in messages:
        text = message.content or ""
        if message.role == "user":
            yield said("user", text)
        elif message.role == "tool":
            called = calls.get(message.tool_call_id)
            inputs = _arguments(called.arguments) if called else {}
            error = text if text.startswith(_REFUSAL) else ""
            yield step(message.name, "tool", inputs=inputs, outputs={} if error else {"result": text}, error=error)
        elif message.tool_calls:
            calls.update((call.id, call.function) for call in message.tool_calls)
            names: list[JsonValue] = [call.function.name for call in message.tool_calls]
            yield step("choose tools", "lm", outputs={"text": text, "tools": names})
        elif message.role == "assistant":
            yield said("agent", text)


def _arguments(text: str) -> dict[str, JsonValue]:
    """A call's arguments as the model wrote them; if they are no JSON object, the text itself."""
    try:
        found: JsonValue = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"": text}
