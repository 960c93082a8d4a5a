"""The tabulated agents do what real ones would: their rankings are those of the index that their spec names."""

import numpy as np
import pytest

from benchmarks.claim_table import MOST_SHOWN, Claims, Table, settled, start
from workbench.core import Case, Corpus, Document, ExpectedAnswer, WorkbenchError
from workbench.datasets import default_cache, fetch, load_registry
from workbench.optimize import vary
from workbench.retrieval import IndexSpec, build_index

WORDS = ("cell", "mouse", "protein", "heart", "virus", "blood", "gene", "drug", "trial", "age", "bone")
CORPUS = Corpus(
    name="abstracts",
    documents=tuple(
        Document(doc_id=f"d-{n:02}", title=WORDS[n % 11], text=f"{WORDS[n % 7]} {WORDS[n % 5]} in {WORDS[n * n % 11]}")
        for n in range(60)
    ),
)
CLAIMS = ("The heart of a mouse ages.", "A drug against a virus in blood.", "Bone cells need a protein.")


@pytest.fixture(scope="module")
def table() -> Table:
    """Three claims over sixty abstracts; the first three are relevant."""
    try:
        folder = fetch(load_registry().entry("minilm_tokenizer"), cache=default_cache())
    except WorkbenchError as error:
        pytest.skip(f"the tokenizer can't be had: {error}")
    path = next(folder.rglob("tokenizer.json"))
    cases = tuple(
        Case(case_id=f"c-{n}", request=text, expected=ExpectedAnswer(answers=("d-00",)), cluster=f"c-{n}")
        for n, text in enumerate(CLAIMS)
    )
    relevant = np.zeros((3, 60), dtype=np.bool_)
    relevant[:, :3] = True
    claims = Claims(cases, relevant, np.full(3, 9.0))
    return Table(CORPUS, {"val": claims}, np.full(60, 100.0), np.arange(9, dtype=np.float64) * 50, path)


@pytest.mark.parametrize(
    "spec",
    [
        IndexSpec(retriever="bm25", k1=0.4, b=0.0),
        IndexSpec(retriever="dense", tokens=32),
        IndexSpec(retriever="hybrid", rrf_k=2.0, depth=20, tokens=32),
        IndexSpec(retriever="hybrid", rrf_k=60.0, depth=50, tokens=32, b=1.0),
    ],
)
def test_rankings_are_those_of_the_index(spec: IndexSpec, table: Table) -> None:
    """Same abstracts in the same order, and the cosines that decide whether to abstain."""
    index = build_index(CORPUS, spec, tokenizer=table.tokenizer)
    found, cosines = table.ranking(spec, "val")
    for row, claim in enumerate(CLAIMS):
        hits = index.search(claim, MOST_SHOWN)
        assert [hit.doc_id for hit in hits] == [f"d-{at:02}" for at in found[row] if at >= 0]
        expected = [hit.parts.get("dense_similarity", 1.0) for hit in hits]
        assert expected == pytest.approx(list(cosines[row][: len(hits)]))


def test_an_agent_pays_for_what_it_shows_and_is_right_if_that_is_relevant(table: Table) -> None:
    """Claim, demos and k abstracts of 100 tokens; who abstains pays nothing and is wrong."""
    spec = vary(start(), {"index.retriever": "dense", "index.tokens": 32, "k": 20, "demos": 2})
    right, tokens = table.outcome(settled(spec), "val")
    silent = table.outcome(settled(vary(spec, {"abstain_below": 1.0})), "val")

    assert [9.0 + 100.0 + 2000.0] * 3 == tokens.tolist()
    found = table.ranking(spec.index, "val")[0]
    assert [bool((row < 3).any()) for row in found] == right.tolist()
    assert ([False] * 3, [0.0] * 3) == (silent[0].tolist(), silent[1].tolist())
