"""Judgments: which documents are right for a query, and who says so.

What an index is tuned and measured by. They come from the expectations of cases, from files of other people's
judgments, from reviewed runs, or from sentences of the corpus itself, which a person has to confirm first: such a
query is written in the words of its document, so it is easier than what people ask.
"""

import csv
import gzip
import json
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from workbench.core import (
    Case,
    Corpus,
    DataError,
    Document,
    ExpectedAnswer,
    ExpectedCall,
    Record,
    RetrievalError,
    read_records,
    stream,
    tool_id,
)
from workbench.retrieval.analyzer import analyze
from workbench.retrieval.chunking import cut

_SENTENCES = 400
"""Characters of the pieces that known items are drawn from: a sentence or two."""
_FEWEST_WORDS, _MOST_WORDS = 6, 40


class Judgment(Record):
    """A query with the documents that are right for it."""

    query_id: str = Field(min_length=1)
    query: str = Field(min_length=1)
    relevant: dict[str, int]
    """Grades of documents by id; above 0 is relevant, and higher is more so."""
    source: Literal["cases", "qrels", "review", "known_item", "written"] = "qrels"
    """Who says so; "written" is a query that a language model wrote to a document."""
    confirmed: bool = True
    """Whether a person stands behind it; what is generated begins as False, and is not tuned by until it is True."""
    cluster: str = ""
    """Queries of one cluster are not independent, and stay on one side of a split; empty is a cluster of its own."""

    @property
    def group(self) -> str:
        """Its cluster, or itself."""
        return self.cluster or self.query_id


def judge_cases(cases: Sequence[Case]) -> tuple[Judgment, ...]:
    """The judgments that cases hold, in order: documents of an answer, or the tool of a call; others are left out."""
    found = []
    for case in cases:
        task = case.task
        if isinstance(task, ExpectedAnswer):
            relevant = task.documents
        else:
            relevant = (tool_id(task.tool),) if isinstance(task, ExpectedCall) else ()
        if relevant:
            found.append(
                Judgment(
                    query_id=case.case_id,
                    query=case.request,
                    relevant=dict.fromkeys(relevant, 1),
                    source="cases",
                    cluster=case.cluster,
                )
            )
    return tuple(found)


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """For each query id the grades of documents, in the order of the file.

    The file is BEIR's (tab-separated with a header: query-id, corpus-id, score), trec_eval's (query, any word,
    document, grade, between spaces), or JSON Lines with the keys "query_id", "doc_id" and "grade"; packed if its name
    ends in ".gz".

    Raises: DataError with the line for one that is none of these.
    """
    found: dict[str, dict[str, int]] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip() or (number == 1 and line.lower().startswith("query-id\t")):
            continue
        try:
            query, document, grade = _qrel(line, "jsonl" if ".jsonl" in path.suffixes else "text")
            found.setdefault(query, {})[document] = grade
        except (ValueError, KeyError, TypeError) as cause:
            raise DataError(
                f"judgments ({path}:{number}): {line.strip()[:60]!r} is no judgment: give query, document and a whole "
                "grade, tab-separated under BEIR's header, in trec_eval's four columns, or as JSON Lines"
            ) from cause
    return found


def join_queries(qrels: Mapping[str, Mapping[str, int]], queries: Mapping[str, str]) -> tuple[Judgment, ...]:
    """Judgments of the queries that have a relevant document, by query id.

    Raises: DataError for a judged query whose text is missing.
    """
    missing = sorted(set(qrels) - set(queries))
    if missing:
        raise DataError(f"query {missing[0]!r}: is judged but its text is not given; add it to the queries")
    kept = {key: dict(grades) for key, grades in sorted(qrels.items()) if any(grade > 0 for grade in grades.values())}
    return tuple(Judgment(query_id=key, query=queries[key], relevant=grades) for key, grades in kept.items())


def known_items(corpus: Corpus, *, count: int, seed: int) -> tuple[Judgment, ...]:
    """Queries made of the most telling piece of each of `count` documents, drawn by seed; none is confirmed.

    A piece is a sentence or two, and tells most where its words are rare in the corpus. Nothing is paraphrased, so
    an index of words does too well on them: they tell of broken indexes, not of people's questions. Documents
    without a piece of 6 to 40 words are passed over; documents that share the piece are all right.
    """
    drawn = list(corpus.documents)
    stream(seed, "known items").shuffle(drawn)
    seen = Counter(word for document in corpus.documents for word in set(analyze(document.text)))
    found: list[Judgment] = []
    for document in drawn:
        if len(found) >= count:
            break
        if query := _telling(document, seen, len(corpus.documents)):
            same = [other.doc_id for other in corpus.documents if query in other.text]
            found.append(
                Judgment(
                    query_id=f"known:{document.doc_id}",
                    query=query,
                    relevant=dict.fromkeys(same, 1),
                    source="known_item",
                    confirmed=False,
                    cluster=document.doc_id,
                )
            )
    return tuple(found)


def check_judgments(judgments: Sequence[Judgment], known: Collection[str], where: str) -> None:
    """Do nothing if query ids are unique and every relevant document is among the known ones.

    Raises: RetrievalError naming the first that is not.
    """
    twice = [key for key, count in Counter(one.query_id for one in judgments).items() if count > 1]
    if twice:
        raise RetrievalError(f"query {twice[0]!r}: is judged twice; give each an id of its own")
    for one in judgments:
        for doc_id, grade in one.relevant.items():
            if grade > 0 and doc_id not in known:
                raise RetrievalError(
                    f"query {one.query_id!r}: document {doc_id!r} is judged relevant and not in {where}; judge by the "
                    "documents that are searched"
                )


def _telling(document: Document, seen: Mapping[str, int], documents: int) -> str:
    pieces = [piece.text for piece in cut(document, size=_SENTENCES)] if document.text.strip() else []
    fitting = [piece for piece in pieces if _FEWEST_WORDS <= len(piece.split()) <= _MOST_WORDS]
    return max(fitting, key=lambda piece: (_rarity(piece, seen, documents), piece), default="")


def _rarity(piece: str, seen: Mapping[str, int], documents: int) -> float:
    words = analyze(piece)
    return sum(math.log((documents + 1) / (seen.get(word, 0) + 1)) for word in words) / max(1, len(words))


def _lines(path: Path) -> Sequence[str]:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()
    except (OSError, UnicodeDecodeError, EOFError) as cause:
        raise DataError(f"judgments ({path}): can't be read: {cause}") from cause


def _qrel(line: str, form: Literal["jsonl", "text"]) -> tuple[str, str, int]:
    if form == "jsonl":
        row = json.loads(line)
        return str(row["query_id"]), str(row["doc_id"]), int(row.get("grade", 1))
    cells = next(csv.reader([line], delimiter="\t")) if "\t" in line else line.split()
    if len(cells) not in (3, 4):
        raise ValueError(len(cells))
    return cells[0], cells[-2], int(cells[-1])


def read_judgments(path: Path, queries: Path | None = None) -> tuple[Judgment, ...]:
    """Judgments as `Judgment` records in JSON Lines; or, with a file of queries, as qrels.

    The queries are BEIR's: JSON Lines with the keys "_id" and "text". Raises: DataError with the line that is wrong.
    """
    if queries is None:
        return tuple(read_records(path, Judgment))
    texts: dict[str, str] = {}
    for number, line in enumerate(_lines(queries), start=1):
        try:
            row = json.loads(line)
            texts[str(row["_id"])] = str(row["text"])
        except (ValueError, KeyError, TypeError) as cause:
            raise DataError(f'query ({queries}:{number}): must be an object with "_id" and "text"') from cause
    return join_queries(read_qrels(path), texts)
