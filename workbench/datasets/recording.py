"""A recording: what agents did when somebody else ran them, as runs like ours."""

import gzip
import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ConfigDict, JsonValue, TypeAdapter, ValidationError

from workbench.core import (
    INAPPLICABLE,
    Blame,
    DataError,
    Episode,
    Failure,
    Record,
    Run,
    RunHeader,
    Score,
    Step,
    boundary,
    digest_json,
    nearest,
)

COSTS = ("tokens", "lm_calls", "usd", "model_ms_p50", "model_ms_p95", "latency_ms_p50", "latency_ms_p95")
"""The costs of a report; a recording names those of which it holds nothing."""


class Foreign(Record):
    """A part of a file whose format others define: checked in what we read, and free in the rest."""

    model_config = ConfigDict(extra="ignore", strict=True)


T = TypeVar("T")


class Attempt(Record):
    """One recorded episode of one agent, with all that a run says of it."""

    agent: str
    request: str
    task: str = ""
    """What makes the case itself, where the request differs from try to try."""
    cluster: str
    tags: tuple[str, ...] = ()
    episode: Episode
    scores: tuple[Score, ...]

    @property
    def key(self) -> tuple[str, int]:
        """Case id and repeat."""
        return self.episode.case_id, self.episode.repeat


class Recorded(Record):
    """What a file of recorded runs holds."""

    name: str
    source: str
    """How the episodes came about, as it must stand beside every figure; each run's header has it, too."""
    licence: str
    attribution: str
    requests: dict[str, str]
    """What was asked, by case id; empty where the recording does not say."""
    unmeasured: tuple[str, ...]
    """Costs of which the recording holds nothing: a zero there is not a measurement."""
    runs: tuple[Run, ...]
    """One for each agent configuration, by name."""

    def lacking(self) -> dict[str, tuple[str, ...]]:
        """For each agent that was not tried on every case of the recording, the ids of those it lacks, in order."""
        gaps = {
            run.header.agent: tuple(sorted(case_id for case_id in self.requests if case_id not in run.clusters))
            for run in self.runs
        }
        return {agent: missing for agent, missing in gaps.items() if missing}


class Origin(Record):
    """What holds for a whole recording, whatever is in it."""

    name: str
    source: str
    grader: str
    """What gave the scores: runs graded by different ones are not compared."""
    metrics: tuple[str, ...]
    unmeasured: tuple[str, ...] = ()


def assemble(origin: Origin, attempts: Iterable[Attempt], path: Path) -> Recorded:
    """Attempts as one run for each agent, cases in the order of their ids.

    Runs of two files can be compared if the files hold the same cases: ids, clusters and tasks, whatever their names.

    Raises: DataError if there is no attempt, an agent made the same one twice, or a case changes between attempts.
    """
    by_agent: dict[str, dict[tuple[str, int], Attempt]] = {}
    requests: dict[str, str] = {}
    clusters: dict[str, str] = {}
    tasks: dict[str, str] = {}
    for attempt in attempts:
        case_id, repeat = attempt.key
        made = by_agent.setdefault(attempt.agent, {})
        if attempt.key in made:
            raise DataError(
                f"recording {str(path)!r}: agent {attempt.agent!r} has case {case_id!r} repeat {repeat} twice; "
                "number its repeats, or keep one of the two"
            )
        made[attempt.key] = attempt
        requests[case_id] = requests.get(case_id) or attempt.request
        tasks[case_id] = tasks.get(case_id) or attempt.task or attempt.request
        if attempt.cluster != clusters.setdefault(case_id, attempt.cluster):
            raise DataError(
                f"recording {str(path)!r}: case {case_id!r} is in clusters {clusters[case_id]!r} and "
                f"{attempt.cluster!r}; a case has one"
            )
    if not by_agent:
        raise DataError(f"recording {str(path)!r}: holds no episode; choose a file with at least one")
    evalset = digest_json([origin.source, [[name, clusters[name], tasks[name]] for name in sorted(clusters)]])
    runs = tuple(_run(origin, agent, evalset, made) for agent, made in sorted(by_agent.items()))
    return Recorded(
        name=origin.name,
        source=origin.source,
        licence="not stated",
        attribution="not stated",
        requests=dict(sorted(requests.items())),
        unmeasured=origin.unmeasured,
        runs=runs,
    )


def _run(origin: Origin, agent: str, evalset: str, made: Mapping[tuple[str, int], Attempt]) -> Run:
    ordered = [attempt for _, attempt in sorted(made.items())]
    header = RunHeader(
        agent=agent,
        agent_digest=digest_json([origin.source, origin.name, agent]),
        evalset_digest=evalset,
        split="test",
        metrics=origin.metrics,
        graders={metric: digest_json([origin.grader, metric]) for metric in origin.metrics},
        source=origin.source,
        unmeasured=origin.unmeasured,
    )
    tags: dict[str, list[str]] = {}
    for attempt in ordered:
        seen = tags.setdefault(attempt.episode.case_id, [])
        seen += [tag for tag in attempt.tags if tag not in seen]
    return Run(
        header=header,
        clusters={attempt.episode.case_id: attempt.cluster for attempt in ordered},
        tags={case_id: tuple(found) for case_id, found in tags.items()},
        episodes=tuple(attempt.episode for attempt in ordered),
        scores=tuple(score for attempt in ordered for score in attempt.scores),
    )


def stem(path: Path) -> str:
    """A recording's name: its file's, without what says how it is written.

    >>> stem(Path("runs/gpt-4.1-airline.json.gz"))
    'gpt-4.1-airline'
    """
    name = path.name
    for ending in (".gz", ".zst", ".json", ".jsonl", ".eval"):
        name = name.removesuffix(ending)
    return name


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, with their numbers from 1; .gz and .zst are unpacked on the way.

    Raises: DataError if the file is missing, or can't be read to its end.
    """
    with boundary(DataError, f"recording {str(path)!r}: can't be read; get the whole file again"), _open(path) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line


def content(path: Path) -> bytes:
    """The bytes of a file; .gz and .zst are unpacked.

    Raises: DataError if the file is missing, or can't be read to its end.
    """
    with boundary(DataError, f"recording {str(path)!r}: can't be read; get the whole file again"), _open(path) as file:
        return file.read()


def _open(path: Path) -> io.BufferedIOBase:
    if not path.is_file():
        raise DataError(f"recording {str(path)!r}: is not a file; name one that holds recorded runs")
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    if path.suffix == ".zst":
        import zstandard  # noqa: PLC0415 - only compressed recordings need it

        return io.BufferedReader(zstandard.open(path, "rb"), 1 << 20)
    return path.open("rb")


def parse(form: TypeAdapter[T], data: bytes, *, where: str, kind: str, fields: Collection[str] = ()) -> T:
    """A part of a recording, checked; `fields` are what a closed form may hold, to hint at the one that was meant.

    Raises: DataError with the place and the first field that is not as the format has it.
    """
    try:
        return form.validate_json(data)
    except ValidationError as cause:
        problem = cause.errors(include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"])
        says = problem["msg"].removeprefix("Value error, ")
        hint = "" if problem["type"] == "value_error" else "; check that the file is of this kind and whole"
        if problem["type"] == "extra_forbidden":
            says, hint = "is no field", f"; {nearest(field, fields)}"
        raise DataError(f"{kind} recording ({where}): {field}{field and ': '}{says}{hint}") from cause


def scored(episode: Episode, metric: str, value: float, reason: str = "") -> Score:
    """A recorded score, unless the episode failed: then 0.0 if the agent is to blame, and unscored if anything else."""
    failure = episode.failure
    if failure is None:
        return Score(case_id=episode.case_id, repeat=episode.repeat, metric=metric, value=value, reason=reason)
    why = f"{failure.kind}: {failure.message}"
    if failure.blame != "agent":
        return _without_value(episode, metric, f"{failure.blame}: {why}")
    return Score(case_id=episode.case_id, repeat=episode.repeat, metric=metric, value=0.0, reason=f"agent: {why}")


def unscored(episode: Episode, metric: str, blame: Blame, why: str) -> Score:
    """A score that the recording does not hold, with whose fault that is; an episode's own failure comes first."""
    if episode.failure is not None:
        return scored(episode, metric, 0.0)
    return _without_value(episode, metric, f"{blame}: {why}")


def inapplicable(episode: Episode, metric: str, why: str) -> Score:
    """A score of a metric that has nothing to judge in an episode, failed or not."""
    return _without_value(episode, metric, INAPPLICABLE + why)


def _without_value(episode: Episode, metric: str, reason: str) -> Score:
    return Score(case_id=episode.case_id, repeat=episode.repeat, metric=metric, reason=reason)


def failed(blame: Blame, kind: str, message: str) -> Failure:
    """A failure whose message is one line of at most 300 characters."""
    return Failure(blame=blame, kind=kind, message=" ".join(message.split())[:300])


def said(by: Literal["agent", "user"], text: str) -> Step:
    """A message of the agent to its user, or of the user to the agent; recordings without times have 0 for both."""
    return step("say", by, outputs={"text": text})


def step(
    name: str,
    kind: Literal["lm", "tool", "agent", "user"],
    *,
    inputs: dict[str, JsonValue] | None = None,
    outputs: dict[str, JsonValue],
    error: str = "",
) -> Step:
    """A step whose times were not recorded: they are 0."""
    return Step(
        name=name, kind=kind, inputs=inputs or {}, outputs=outputs, start_milliseconds=0, milliseconds=0, error=error
    )
