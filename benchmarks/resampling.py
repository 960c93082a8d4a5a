"""Two samples of one recorded agent: comparisons of which the truth is known, with the noise of real agents.

A task that was tried several times is drawn with replacement as a new task. Of its attempts, in random order, the
first become the champion's and the next the challenger's. Both are the same agent, so nothing differs but chance: an
A/A comparison. A planted drop turns each success of the challenger into a failure with the probability that lowers
its rate by just so much; all other noise stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.shared_data import shared
from workbench.core import Episode, Run, RunHeader, Score
from workbench.datasets import Recorded, read_recorded
from workbench.evals.comparison import Pairs

Floats = NDArray[np.float64]

TAU, AGENTDYN = "tau_bench/gpt-4o-airline.json.gz", "agentdyn/shopping_runs.jsonl.zst"
ATTACK = "important_instructions"
"""The one attack that all configurations of agentdyn met."""
TOOLS = (
    *("get_reservation_details", "get_user_details", "search_direct_flight", "search_onestop_flight", "think"),
    *("update_reservation_flights", "update_reservation_baggages", "cancel_reservation", "book_reservation"),
    *("calculate", "send_certificate", "transfer_to_human_agents"),
)
"""The tools of tau-bench's airline that are used in 4 % of the runs or more."""
TOOL_CALLS, MODEL_CALLS = (2, 4, 8, 12), (8, 14)
"""Limits of a run that make up further KPIs."""


@dataclass(frozen=True)
class Attempts:
    """One metric of one agent: a row for each task, a column for each attempt."""

    agent: str
    metric: str
    values: Floats

    @property
    def rate(self) -> float:
        """The mean over all attempts: the truth where tasks are drawn from these."""
        return float(self.values.mean())


@dataclass(frozen=True)
class Drawing:
    """How champion and challenger are drawn from the attempts of one agent."""

    name: str
    attempts: int
    """For each task and side; 0 draws whole tasks, other ones for each side, all attempts of them."""

    def rows(self, tasks: int, found: Attempts, stream: np.random.Generator) -> tuple[Floats, Floats]:
        """Champion's and challenger's attempts, a row for each task, or for each pair of tasks."""
        count = len(found.values)
        if not self.attempts:
            # A half of the user tasks against the other: case by case, since the attempts of all are alike.
            drawn = (
                stream.permutation(count)[: 2 * tasks] if 2 * tasks == count else stream.integers(0, count, 2 * tasks)
            )
            return found.values[drawn[:tasks]], found.values[drawn[tasks:]]
        order = stream.permuted(np.tile(np.arange(found.values.shape[1]), (tasks, 1)), axis=1)
        mixed = np.take_along_axis(found.values[stream.integers(0, count, tasks)], order, axis=1)
        return mixed[:, : self.attempts], mixed[:, self.attempts : 2 * self.attempts]

    def pairs(self, tasks: int, found: Attempts, drop: float, stream: np.random.Generator) -> Pairs:
        """A comparison of the agent with itself, less the drop."""
        old, new = self.rows(tasks, found, stream)
        if drop:
            new = new * (stream.random(new.shape) >= drop / found.rate)
        return Pairs(old.ravel(), new.ravel(), np.repeat(np.arange(tasks), old.shape[1]))


def tau_run() -> Run:
    """The recorded runs of tau-bench: 50 tasks, each tried four times by one agent."""
    return read_recorded(shared(TAU), kind="tau-bench").runs[0]


def tau_kpis(run: Run) -> tuple[Attempts, ...]:
    """Twenty KPIs of the same runs, all 0 or 1: success, no tool error, tools used, and limits that were kept."""
    marks: dict[str, dict[tuple[str, int], float]] = {}
    success = run.values("task_success")
    for episode in run.episodes:
        key = (episode.case_id, episode.repeat)
        value = success[key]
        assert value is not None, "no run of this recording broke off"
        marks.setdefault("task_success", {})[key] = value
        for name, mark in _marks(episode).items():
            marks.setdefault(name, {})[key] = float(mark)
    names = sorted({episode.case_id for episode in run.episodes})
    trials = sorted({episode.repeat for episode in run.episodes})
    return tuple(
        Attempts(run.header.agent, kpi, np.array([[held[name, trial] for trial in trials] for name in names]))
        for kpi, held in marks.items()
    )


def _marks(episode: Episode) -> Mapping[str, bool]:
    steps = episode.prediction.steps if episode.prediction is not None else ()
    calls = [step for step in steps if step.kind == "tool"]
    used = {step.name for step in calls}
    return {
        "no tool error": not any(step.error for step in calls),
        **{f"used {tool}": tool in used for tool in TOOLS},
        **{f"at most {limit} tool calls": len(calls) <= limit for limit in TOOL_CALLS},
        **{f"at most {limit} model calls": episode.usage.calls <= limit for limit in MODEL_CALLS},
    }


def agentdyn() -> Recorded:
    """The recorded runs of AgentDyn: shopping, 20 user tasks under 9 injections, many configurations."""
    return read_recorded(shared(AGENTDYN), kind="agentdojo")


def agentdyn_attempts(recorded: Recorded, metric: str) -> tuple[Attempts, ...]:
    """A metric of every configuration that was tried on all user tasks under all injections of the one attack.

    A row is a user task, a column an injection.
    """
    found = []
    for run in recorded.runs:
        values = {key[0]: value for key, value in run.values(metric).items() if f"/{ATTACK}/" in key[0]}
        parts = [case_id.split("/") for case_id in values]
        tasks, injections = sorted({part[0] for part in parts}), sorted({part[2] for part in parts})
        table = [[values.get(f"{task}/{ATTACK}/{injection}") for injection in injections] for task in tasks]
        if tasks and all(value is not None for row in table for value in row):
            found.append(Attempts(run.header.agent, metric, np.array(table, dtype=np.float64)))
    full = max(one.values.size for one in found)
    return tuple(one for one in found if one.values.size == full)


def with_room(found: Sequence[Attempts], room: float) -> tuple[Attempts, ...]:
    """Those whose rate is at least so far from 0 and from 1: where nothing can change, no gate can be wrong."""
    return tuple(one for one in found if room <= one.rate <= 1 - room)


def as_runs(columns: Mapping[str, Pairs]) -> tuple[Run, Run]:
    """Champion and challenger as runs, so that the gate itself can judge them; the columns share their clusters."""
    clusters = next(iter(columns.values())).clusters
    names = [f"c{place:05}" for place in range(len(clusters))]
    sides = []
    for agent, side in (("champion", "old"), ("challenger", "new")):
        held = {metric: pairs.old if side == "old" else pairs.new for metric, pairs in columns.items()}
        sides.append(
            Run(
                header=RunHeader(
                    agent=agent,
                    agent_digest=agent,
                    evalset_digest="resampled",
                    split="test",
                    metrics=tuple(columns),
                    source="resampled from recorded runs",
                ),
                clusters={name: f"k{cluster:05}" for name, cluster in zip(names, clusters.tolist(), strict=True)},
                tags={},
                episodes=tuple(Episode(case_id=name, prediction=None, milliseconds=0) for name in names),
                scores=tuple(
                    Score(case_id=name, metric=metric, value=value)
                    for metric, values in held.items()
                    for name, value in zip(names, values.tolist(), strict=True)
                ),
            )
        )
    return sides[0], sides[1]
