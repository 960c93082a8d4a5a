"""A run: an agent, tried on every case of one split."""

from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl
from pydantic import Field

from workbench.core.episode import Episode, Score
from workbench.core.evalset import Split
from workbench.core.jsonl import read_record, read_records, write_record, write_records
from workbench.core.record import Record

SCORES = pl.Schema(
    {
        "case_id": pl.String,
        "repeat": pl.Int64,
        "cluster": pl.String,
        "metric": pl.String,
        "value": pl.Float64,
        "reason": pl.String,
    }
)
"""A row for each score; `value` in [0, 1] or null, and then `reason` says why."""


class RunHeader(Record):
    """What a run rests on."""

    agent: str
    """Name for people, for instance "baseline"."""
    agent_digest: str
    evalset_digest: str
    split: Split
    metrics: tuple[str, ...]
    graders: dict[str, str] = Field(default_factory=dict)
    """Digest of what graded each metric: code, judge or prompt. Runs graded differently are never compared."""
    prices: str = ""
    """Digest of the price list that the costs rest on; empty where none was used."""
    source: str = ""
    """How the episodes came about, as it must stand beside every figure: "embedded", "scripted", "openai/...",
    "recorded by tau-bench", "simulated"."""
    unmeasured: tuple[str, ...] = ()
    """Names of costs that nobody recorded: a zero in an episode is then no zero."""


class Run(Record):
    """Episodes and scores in the order of the cases."""

    header: RunHeader
    clusters: dict[str, str]
    """Cluster of each case id."""
    tags: dict[str, tuple[str, ...]]
    """Tags of each case id."""
    episodes: tuple[Episode, ...]
    scores: tuple[Score, ...]

    def frame(self) -> pl.DataFrame:
        """The scores as a table of schema `SCORES`."""
        rows = [(s.case_id, s.repeat, self.clusters[s.case_id], s.metric, s.value, s.reason) for s in self.scores]
        return pl.DataFrame(rows, schema=SCORES, orient="row")

    def on(self, case_ids: Collection[str]) -> "Run":
        """The part of the run that is on these cases; the header stays."""
        kept = frozenset(case_ids)
        return Run(
            header=self.header,
            clusters={case_id: cluster for case_id, cluster in self.clusters.items() if case_id in kept},
            tags={case_id: tags for case_id, tags in self.tags.items() if case_id in kept},
            episodes=tuple(episode for episode in self.episodes if episode.case_id in kept),
            scores=tuple(score for score in self.scores if score.case_id in kept),
        )

    def values(self, metric: str) -> dict[tuple[str, int], float | None]:
        """The value of one metric for each (case id, repeat)."""
        return {(s.case_id, s.repeat): s.value for s in self.scores if s.metric == metric}


class _Cases(Record):
    clusters: dict[str, str]
    tags: dict[str, tuple[str, ...]]


def write_run(folder: Path, run: Run) -> None:
    """Write a run as a folder: header.json, cases.json, episodes.jsonl and scores.jsonl; the header comes last."""
    write_record(folder / "cases.json", _Cases(clusters=run.clusters, tags=run.tags))
    write_records(folder / "episodes.jsonl", run.episodes)
    write_records(folder / "scores.jsonl", run.scores)
    write_record(folder / "header.json", run.header)


def read_run(folder: Path) -> Run:
    """Read what `write_run` wrote.

    Raises: DataError if a file is missing or wrong.
    """
    header = read_record(folder / "header.json", RunHeader)
    cases = read_record(folder / "cases.json", _Cases)
    episodes: Sequence[Episode] = read_records(folder / "episodes.jsonl", Episode)
    scores: Sequence[Score] = read_records(folder / "scores.jsonl", Score)
    return Run(header=header, clusters=cases.clusters, tags=cases.tags, episodes=tuple(episodes), scores=tuple(scores))
