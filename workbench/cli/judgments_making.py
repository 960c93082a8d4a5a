"""What the commands of `workbench judgments` need of several rooms."""

from collections.abc import Sequence
from pathlib import Path

from workbench.cli.corpus_sources import read_traces
from workbench.cli.progress import Terminal
from workbench.core import Corpus, Document, Record, read_records
from workbench.datasets import corpus_path, read_corpus, read_declaration
from workbench.retrieval import Judgment, View, known_items

ANSWER_TOKENS = 1024
"""Most tokens of what the model says at once: an answer of Ragas's prompts is one small JSON object."""


class Wanted(Record):
    """What is to be proposed, and who makes it up."""

    count: int
    sample: int
    model: str = ""
    """Empty draws known items, which asks no model."""
    base_url: str | None = None
    key_env: str | None = None
    seed: int = 0


def make(
    workspace: Path, corpus: str, wanted: Wanted, *, groups: Sequence[str], queue: str
) -> tuple[str, Path, tuple[Judgment, ...]]:
    """Propose judgments and draw a sample for review: the run's name, the sample's file, and what is proposed.

    Raises: ConfigError for a model that can't write; DataError if the corpus can't be read or nothing is proposed;
    LMError if the model fails; TrackingError if the queue can't be filled.
    """
    from workbench.lab import Workspace
    from workbench.lab.judging import propose, visible
    from workbench.lab.reviewing import send_queue
    from workbench.lab.suite_run import track_suite

    with Terminal() as terminal:
        terminal.stage("read", skipped=False)
        documents = visible(_read(corpus, terminal), View(principals=tuple(sorted(set(groups)))))
        terminal.stage("propose", skipped=False)
        proposed = _proposed(workspace, documents, wanted)
        by = f"questions by {wanted.model}" if wanted.model else "known items"
        stored, path = propose(workspace, documents, proposed, by=by, sample=wanted.sample, seed=wanted.seed)
        if queue:
            terminal.stage("track", skipped=False)
            track_suite(Workspace(workspace, terminal), stored)
            send_queue(workspace, stored.name, queue=queue)
    return stored.name, path, proposed


def count_sources(judgments: Sequence[Judgment]) -> list[tuple[str, ...]]:
    """A row for each source: its name, queries, clusters, confirmed ones, and the mean number of relevant documents."""
    rows = []
    for source in sorted({one.source for one in judgments}):
        own = [one for one in judgments if one.source == source]
        relevant = sum(grade > 0 for one in own for grade in one.relevant.values()) / len(own)
        counts = (len(own), len({one.group for one in own}), sum(one.confirmed for one in own))
        rows.append((source, *map(str, counts), f"{relevant:.2f}"))
    return rows


def _read(corpus: str, terminal: Terminal) -> Corpus:
    if corpus.endswith(".jsonl"):
        return Corpus(name=Path(corpus).stem, documents=tuple(read_records(Path(corpus), Document)))
    return read_corpus(read_declaration(corpus_path(corpus)), traces=read_traces, advance=terminal.advance)


def _proposed(workspace: Path, corpus: Corpus, wanted: Wanted) -> tuple[Judgment, ...]:
    if not wanted.model:
        return known_items(corpus, count=wanted.count, seed=wanted.seed)
    from workbench.evals import check_writer, write_queries
    from workbench.lab.judging import judge_written
    from workbench.lms import CallStore, LMSpec, connect

    check_writer(wanted.model)
    spec = LMSpec(model=wanted.model, base_url=wanted.base_url, key_env=wanted.key_env, max_tokens=ANSWER_TOKENS)
    store = CallStore(workspace / "calls.db")
    try:
        lm = connect(spec, store=store)
        return judge_written(write_queries(corpus.documents, lm, count=wanted.count, seed=wanted.seed))
    finally:
        store.close()
