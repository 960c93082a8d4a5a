"""Judgments that were made up wait for a person: they go to review as a run does, and only what is confirmed counts.

A proposal is a run of one episode for each query: the request is the query, the answer the document that is said to
be right for it. So a sample is drawn, sent to MLflow's queue or out as JSON Lines, and taken in by the very commands
that review what agents did; "right" then means that the document answers the query.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from workbench.core import (
    Case,
    Corpus,
    DataError,
    Document,
    Episode,
    EvalSet,
    ExpectedAnswer,
    Prediction,
    Record,
    Run,
    RunHeader,
    Score,
    Step,
    digest_json,
    read_records,
    short,
    write_record,
    write_records,
    write_run,
)
from workbench.evals import ReviewRequest, WrittenQuery
from workbench.lab.reviewing import ITEMS, draw_sample, sum_up
from workbench.lab.stored import StoredRun, find_run
from workbench.retrieval import ANYONE, Judgment, View, check_judgments

PROPOSED = "judgments.jsonl"
CONFIRMED = "confirmed"
"""The metric of a proposal, which nothing scores but people."""
SHOWN = 4_000
"""Characters of a document that a reviewer is shown."""


class Confirmed(Record):
    """What people made of a proposal, or of a reviewed run."""

    judgments: tuple[Judgment, ...]
    """What a person stands behind."""
    rejected: int
    undecided: int
    """Queries that nobody decided: not drawn, or reviewers are of two minds."""


def visible(corpus: Corpus, view: View = ANYONE) -> Corpus:
    """The documents that a view shows: what is proposed is read by reviewers, and may be by a model elsewhere.

    Raises: DataError if it shows none.
    """
    documents = tuple(document for document in corpus.documents if view.allows(document))
    if not documents:
        raise DataError(f"corpus {corpus.name!r}: has no document that this view shows; name a group that may read it")
    return Corpus(name=corpus.name, documents=documents)


def judge_written(queries: Sequence[WrittenQuery]) -> tuple[Judgment, ...]:
    """Questions that a model wrote as judgments that nobody confirmed."""
    return tuple(
        Judgment(
            query_id=f"written:{one.doc_id}",
            query=one.query,
            relevant={one.doc_id: 1},
            source="written",
            confirmed=False,
            cluster=one.doc_id,
        )
        for one in queries
    )


def propose(
    workspace: Path, corpus: Corpus, judgments: Sequence[Judgment], *, by: str, sample: int, seed: int
) -> tuple[StoredRun, Path]:
    """Keep judgments as a run that waits for review, and draw a sample of it by seed; the run, and the sample's file.

    `by` says who made them up. The same judgments are the same run. Raises: DataError if there are none, or another
    sample of them has reviews; RetrievalError if they don't fit the corpus.
    """
    if not judgments:
        raise DataError(f"corpus {corpus.name!r}: nothing is proposed; its documents hold no sentence of 6 to 40 words")
    check_judgments(judgments, {one.doc_id for one in corpus.documents}, f"corpus {corpus.name!r}")
    evalset, run = _run(corpus, judgments, by)
    name = f"judgments-{corpus.name}-{short(digest_json([one.digest for one in judgments]))}"
    folder = workspace / "runs" / name
    write_records(folder / PROPOSED, judgments)
    write_record(folder / "evalset.json", evalset)
    write_run(folder, run)
    request = ReviewRequest(metric=CONFIRMED, count=sample, doubtful=0.0, seed=seed)
    path, _items = draw_sample(workspace, name, request)
    return StoredRun(name, folder, run), path


def confirm(workspace: Path, name: str, *, adjudicator: str = "") -> Confirmed:
    """What reviewers decided of a proposal: "right" confirms a query, "wrong" rejects it, the rest stays open.

    Of a run of an agent, what it was handed where reviewers found its answer right; see `judge_reviewed`.
    Raises: DataError if there is no such run, or nobody reviewed it.
    """
    from workbench.evals import ReviewItem  # noqa: PLC0415
    from workbench.optimize import judge_reviewed  # noqa: PLC0415 - takes seconds to import

    stored = find_run(workspace, name)
    decisions = sum_up(workspace, name, adjudicator=adjudicator).decisions
    opinions = {one.case_id: one.opinion for one in decisions}
    rejected = sum(opinion == "wrong" for opinion in opinions.values())
    if not (stored.folder / PROPOSED).exists():
        items = tuple(read_records(workspace / "reviews" / stored.name / ITEMS, ReviewItem))
        found = judge_reviewed(items, decisions)
        undecided = len({item.case_id for item in items}) - rejected - len(found)
        return Confirmed(judgments=found, rejected=rejected, undecided=undecided)
    proposed = tuple(read_records(stored.folder / PROPOSED, Judgment))
    found = tuple(
        one.model_copy(update={"confirmed": True}) for one in proposed if opinions.get(one.query_id) == "right"
    )
    return Confirmed(judgments=found, rejected=rejected, undecided=len(proposed) - rejected - len(found))


def _run(corpus: Corpus, judgments: Sequence[Judgment], by: str) -> tuple[EvalSet, Run]:
    documents = {document.doc_id: document for document in corpus.documents}
    cases = tuple(_cases(judgments, documents))
    evalset = EvalSet(name=f"judgments-{corpus.name}", train=(), val=(), test=cases)
    header = RunHeader(
        agent=by,
        agent_digest=digest_json([by, *(one.digest for one in judgments)]),
        evalset_digest=evalset.digest,
        split="test",
        metrics=(CONFIRMED,),
        source=f"proposed by {by}",
    )
    run = Run(
        header=header,
        clusters={case.case_id: case.cluster for case in cases},
        tags={case.case_id: case.tags for case in cases},
        episodes=tuple(_episode(one, documents) for one in judgments),
        scores=tuple(
            Score(case_id=case.case_id, metric=CONFIRMED, value=None, reason="nobody has looked at it")
            for case in cases
        ),
    )
    return evalset, run


def _cases(judgments: Sequence[Judgment], documents: Mapping[str, Document]) -> Iterator[Case]:
    for one in judgments:
        right = _right(one)
        yield Case(
            case_id=one.query_id,
            request=one.query,
            expected=ExpectedAnswer(answers=(_text(documents[right[0]]),), documents=right),
            cluster=one.group,
        )


def _episode(one: Judgment, documents: Mapping[str, Document]) -> Episode:
    right = _right(one)
    step = Step(
        name="proposal",
        kind="retriever",
        inputs={"query": one.query},
        outputs={"documents": list(right)},
        start_milliseconds=0,
        milliseconds=0,
    )
    answer = _text(documents[right[0]])
    return Episode(
        case_id=one.query_id, prediction=Prediction(ranked=right, answer=answer, steps=(step,)), milliseconds=0
    )


def _right(one: Judgment) -> tuple[str, ...]:
    return tuple(doc_id for doc_id, grade in one.relevant.items() if grade > 0)


def _text(document: Document) -> str:
    """What a reviewer reads of a document."""
    return f"{document.title}\n{document.text}".strip()[:SHOWN]
