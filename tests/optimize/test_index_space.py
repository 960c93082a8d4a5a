"""A corpus is searched by the knobs that its documents give reason for."""

import pytest

from workbench.core import EVERYONE, Corpus, Document, Origin
from workbench.optimize.index_space import CHUNKS, index_space
from workbench.optimize.retrieval_tuning import TUNING, TuneRequest, idle, set_knob
from workbench.retrieval import IndexSpec
from workbench.retrieval.cross_encoder import CrossEncoderSpec

ENCODER = CrossEncoderSpec(folder="m", model_sha256="0" * 64, tokenizer_sha256="1" * 64)


def corpus_of(size: int, **metadata: str) -> Corpus:
    """Two documents of a size; of each field the first has the value, the second another."""
    origins = [{name: value if first else f"{value}2" for name, value in metadata.items()} for first in (True, False)]
    return Corpus(
        name="c",
        documents=tuple(
            Document(
                doc_id=f"d{at}",
                text="x" * size,
                origin=Origin(source="s", readers=(EVERYONE,), metadata={**one}),
            )
            for at, one in enumerate(origins)
        ),
    )


@pytest.mark.parametrize(
    ("size", "start", "knobs"),
    [
        (100, IndexSpec(), set()),
        (500, IndexSpec(), {"chunk", "tokens"}),
        (2_000, IndexSpec(), {"chunk", "tokens"}),
        (2_000, IndexSpec(tokens=256), {"chunk", "tokens"}),
        (2_000, IndexSpec(retriever="bm25"), set()),
        (3_000_000, IndexSpec(), set()),
    ],
)
def test_only_long_documents_of_small_corpora_are_embedded_again(size: int, start: IndexSpec, knobs: set[str]) -> None:
    """Short ones gain nothing, a large corpus would take hours, and words have no passages."""
    assert {*TUNING, *knobs} == {*index_space(corpus_of(size), start)}


def test_routes_come_first_and_the_cross_encoder_last() -> None:
    """Each field alone, then together; a field of one value is none; every value is one that a spec takes."""
    space = index_space(corpus_of(1_000, product="vpn", year="20"), IndexSpec(), cross_encoder=ENCODER)

    alone = [[{"field": "product"}], [{"field": "year"}]]
    assert [*alone, [{"field": "product"}, {"field": "year"}]] == space["routes"]
    assert ("routes", "cross_encoder") == (next(iter(space)), [*space][-1])
    assert [*CHUNKS] == space["chunk"]
    assert "routes" not in index_space(corpus_of(10), IndexSpec())
    assert sum(map(len, space.values())) < TuneRequest().tries
    for knob, values in space.items():
        for value in values:
            assert set_knob(IndexSpec(), knob, value)


def test_what_an_expansion_is_made_by_is_idle_without_one() -> None:
    """And an index of meanings has no words to expand."""
    made_by = {"expansion_documents", "expansion_weight"}

    assert made_by <= idle(IndexSpec())
    assert not made_by & idle(IndexSpec(expansion=10))
    assert {"expansion", *made_by} <= idle(IndexSpec(retriever="dense", expansion=10))
