"""The judged sets that retrieval quality is measured on, each read as it was published."""

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.shared_data import shared
from workbench.core import Corpus, Document, stream
from workbench.datasets import default_cache, fetch, load_registry
from workbench.optimize.retrieval_tuning import Builder
from workbench.retrieval import Embedder, HybridIndex, Index, IndexSpec, Judgment, Ranker, Vectors, build_index
from workbench.retrieval.judgments import join_queries, read_qrels

TOKENS = 256
"""What the embedding model reads at most."""


@dataclass(frozen=True)
class Judged:
    """A corpus with judged queries."""

    corpus: Corpus
    judgments: tuple[Judgment, ...]
    held_out: tuple[Judgment, ...] = ()
    """The official test queries; empty where there are none, and folds are held out in turn."""
    licence: str = ""
    attribution: str = ""


def scifact() -> Judged:
    """BEIR's SciFact: its training queries to tune on, its 300 test queries held out."""
    folder = shared("scifact")
    texts = {str(row["_id"]): str(row["text"]) for row in _rows(folder / "queries.jsonl.gz")}
    documents = tuple(
        Document(doc_id=str(row["_id"]), title=str(row["title"]), text=str(row["text"]))
        for row in _rows(folder / "corpus.jsonl.gz")
    )
    train, test = (join_queries(read_qrels(folder / name), texts) for name in ("qrels.train.tsv.gz", "qrels.tsv.gz"))
    return Judged(
        Corpus(name="scifact", documents=documents),
        train,
        test,
        licence="claims CC BY 4.0, abstracts ODC-By 1.0",
        attribution="Wadden et al. 2020, SciFact; Thakur et al. 2021, BEIR",
    )


def wixqa() -> Judged:
    """The sample of WixQA: help articles, and questions that experts answered from them."""
    documents: dict[str, Document] = {}
    judgments = []
    lines = shared("wixqa/wixqa_sample.jsonl").read_text(encoding="utf-8").splitlines()
    for number, row in enumerate(json.loads(line) for line in lines if line.strip()):
        for context in row["contexts"]:
            title, _, text = context["text"].partition("\n")
            documents[context["id"]] = Document(doc_id=context["id"], title=title, text=text)
        relevant = {str(key): 1 for key in row["article_ids"] if key in documents}
        if relevant:
            # Questions that rest on one article are of one cluster.
            cluster = min(relevant)
            judgments.append(
                Judgment(query_id=f"wix-{number:03d}", query=row["question"], relevant=relevant, cluster=cluster)
            )
    corpus = Corpus(name="wixqa", documents=tuple(documents[key] for key in sorted(documents)))
    return Judged(corpus, tuple(judgments), licence="MIT", attribution="Cohen et al. 2025, WixQA")


def banking() -> Judged:
    """tau2's banking knowledge base: articles, and customers' tickets as their users are told them."""
    entry = load_registry().entry("tau2_banking")
    folder = fetch(entry, cache=default_cache())
    with gzip.open(folder / "documents.json.gz", "rt", encoding="utf-8") as file:
        documents = tuple(
            Document(doc_id=row["id"], title=row["title"], text=row["content"]) for row in json.load(file)
        )
    tasks = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    judgments = tuple(
        Judgment(
            query_id=task["id"],
            query=task["user_scenario"]["instructions"],
            relevant=dict.fromkeys(task["required_documents"], 1),
        )
        for task in tasks
    )
    corpus = Corpus(name="tau2_banking", documents=documents)
    return Judged(corpus, judgments, licence=entry.licence, attribution=entry.attribution)


SETS: dict[str, Callable[[], Judged]] = {"scifact": scifact, "wixqa": wixqa, "tau2_banking": banking}


def builder(corpus: Corpus) -> Builder:
    """Makes indexes of a corpus, each taking over what the one before counted; its vectors are kept in the cache."""
    tokenizer = fetch(load_registry().entry("minilm_tokenizer"), cache=default_cache()) / "tokenizer.json"
    first = HybridIndex(corpus, IndexSpec(tokens=TOKENS), Embedder(tokenizer), _vectors(corpus, Embedder(tokenizer)))
    last: list[HybridIndex] = [first]

    def build(spec: IndexSpec, ranker: Ranker | None = None) -> Index:
        index = build_index(corpus, spec, tokenizer=tokenizer, like=last[-1], ranker=ranker)
        if isinstance(index, HybridIndex) and spec.retriever == "hybrid":
            last[:] = [index]
        return index

    return build


def folds(judgments: Sequence[Judgment], count: int, seed: int) -> list[int]:
    """The fold of each judgment, whole clusters at a time."""
    groups = sorted({one.group for one in judgments})
    stream(seed, "folds").shuffle(groups)
    places = {group: place % count for place, group in enumerate(groups)}
    return [places[one.group] for one in judgments]


def _vectors(corpus: Corpus, embedder: Embedder) -> Vectors:
    """The corpus's vectors, from the cache or computed now and put there."""
    kept = default_cache() / "vectors" / f"{corpus.digest[:16]}-{embedder.digest[:16]}-{TOKENS}.npy"
    if kept.exists():
        found: Vectors = np.load(kept, allow_pickle=False)
        return found
    texts = [f"{one.title}\n{one.text}".strip() for one in corpus.documents]
    rows = embedder.embed(texts, most_tokens=TOKENS)
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.save(kept, rows, allow_pickle=False)
    return rows


def _rows(path: Path) -> list[dict[str, object]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]
