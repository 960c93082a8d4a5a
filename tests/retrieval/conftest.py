"""A corpus of a few tools and documents, and the embedding model's tokenizer."""

import os
from pathlib import Path

import pytest

from workbench.core import Corpus, Document, ToolSpec, catalogue
from workbench.datasets import default_cache, fetch, load_registry
from workbench.retrieval import Index, IndexSpec, build_index

TOOLS = (
    ToolSpec(
        name="weather.getForecast",
        description="Tells the weather of the coming days in a city.",
        parameters={"properties": {"city": {"description": "Where, for instance Rome"}}},
    ),
    ToolSpec(name="bank_transfer", description="Sends money from one account to another."),
    ToolSpec(name="bank_balance", description="Reads how much money is in an account."),
    ToolSpec(name="play_song", description="Plays a piece of music by its title."),
)


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """Four tools, two documents with the same words under two ids, and one without words."""
    tools = catalogue("tiny", TOOLS).documents
    texts = (
        Document(doc_id="z-twin", text="Opening hours of the library"),
        Document(doc_id="a-twin", text="Opening hours of the library"),
        Document(doc_id="blank", text=""),
    )
    return Corpus(name="tiny", documents=(*tools, *texts))


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tokenizer.json from this machine's cache, or fetched for this session."""
    entry = load_registry().entry("minilm_tokenizer")
    cached = (default_cache() / entry.folder).is_dir()
    if not cached and os.environ.get("WORKBENCH_OFFLINE") == "1":
        pytest.skip("WORKBENCH_OFFLINE=1: the tokenizer is not in the cache and can't be downloaded")
    cache = default_cache() if cached else tmp_path_factory.mktemp("cache")
    return fetch(entry, cache=cache) / "tokenizer.json"


@pytest.fixture(scope="session", params=["bm25", "dense", "hybrid"])
def index(request: pytest.FixtureRequest, corpus: Corpus, tokenizer: Path) -> Index:
    """The corpus, made searchable in each way."""
    return build_index(corpus, IndexSpec(retriever=request.param), tokenizer=tokenizer)
