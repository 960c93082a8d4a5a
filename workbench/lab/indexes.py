"""Live indexes of a workspace, found by the names that people type, each with the recipe it is refreshed by.

    indexes/<name>/recipe.json    what it is made of, and the store that holds it, if that is not this folder
    indexes/<name>/manifest.json  the index itself, where it lies in the workspace

The only module that knows this layout; nothing heavy is imported here, since every command on an index opens it.
"""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from pydantic import Field

from workbench.core import (
    ConfigError,
    Corpus,
    DataError,
    Document,
    Record,
    RetrievalError,
    nearest,
    read_record,
    read_records,
    write_record,
)
from workbench.datasets import (
    corpus_path,
    default_cache,
    fetch,
    load_registry,
    read_corpus,
    read_declaration,
)
from workbench.lab.corpora import read_traces
from workbench.lab.workspace import Workspace
from workbench.retrieval import (
    MANIFEST,
    Address,
    Embedder,
    Embedding,
    EmbedSpec,
    IndexSpec,
    LiveIndex,
    OtherDimensions,
    Refreshed,
    Store,
    Watched,
    check_spec,
    compact,
    create_store,
    cut_corpus,
    open_store,
    stored_spec,
)

_FOLDER = "indexes"
_RECIPE = "recipe.json"


class Recipe(Record):
    """What an index is made of, by which it is refreshed."""

    corpus: str
    """A corpus's name, its file, or a file of documents as JSON Lines."""
    chunk: int = Field(default=0, ge=0)
    overlap: int = Field(default=0, ge=0)
    store: str = ""
    """The URL of the store that holds it, without secrets; empty: the workspace."""


def index_folder(workspace: Path, name: str) -> Path:
    """Where an index of that name lies, or its recipe; whether it is there or not."""
    return workspace / _FOLDER / name


def known_indexes(workspace: Path, having: str = _RECIPE) -> list[str]:
    """The names of indexes whose folders hold that file."""
    return sorted(path.parent.name for path in (workspace / _FOLDER).glob(f"*/{having}"))


def build_index(workspace: Workspace, name: str, recipe: Recipe, spec: IndexSpec) -> Refreshed:
    """Read a corpus and make an index of it; shown as it goes. Nothing is made if the corpus can't be read, or the
    index can't be as the spec says: that is looked at first.

    Raises: ConfigError if the name is none; DataError if the corpus can't be read; RetrievalError if there is an index
        of this name, a knob has no effect there, the embedding model does not answer as it is described, there is no
        disk for it, or its store can't be reached or its URL holds a secret.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name):
        raise ConfigError(f"index {name!r}: is no name; use small letters, digits, '-', '_' and '.'")
    folder = index_folder(workspace.folder, name)
    where = _place(folder, recipe)
    if (folder / _RECIPE).exists() and (known := read_recipe(workspace.folder, name)).store != recipe.store:
        raise RetrievalError(
            f"index {name!r} ({workspace.folder}): is there already, in {known.store or 'the workspace'}; choose "
            "another name"
        )
    check_spec(where, name, spec)
    encoder = open_encoder(workspace, spec)
    if isinstance(encoder, Watched):
        encoder.check()
    workspace.progress.stage("read", skipped=False)
    documents = read_documents(recipe, name, workspace)
    if not recipe.store and not (folder / MANIFEST).exists():
        write_record(folder / _RECIPE, recipe)
    with closing(create_store(where, name, spec, encoder=encoder)) as store:
        if recipe.store:
            write_record(folder / _RECIPE, recipe)
        return _hold(store, documents, workspace)


def measure_embedding(workspace: Workspace, spec: EmbedSpec) -> EmbedSpec:
    """The spec with as many dimensions as the provider's model answers one text with.

    Raises: RetrievalError if it does not answer, or with what is no embedding.
    """
    try:
        _connect(workspace, spec).check()
    except OtherDimensions as other:
        return spec.model_copy(update={"dimensions": other.found})
    return spec


def open_index(workspace: Workspace, name: str) -> Store:
    """An index of the workspace, wherever it lies.

    Raises: DataError if there is none; RetrievalError if it can't be read or reached.
    """
    where = _place(index_folder(workspace.folder, name), read_recipe(workspace.folder, name))
    return open_store(where, name, encoder=open_encoder(workspace, stored_spec(where, name)))


def open_live(workspace: Workspace, name: str, purpose: str) -> LiveIndex:
    """An index that lies in the workspace.

    Raises: as `open_index`; RetrievalError if it lies in a store, which can't serve the purpose.
    """
    index = open_index(workspace, name)
    if not isinstance(index, LiveIndex):
        index.close()
        raise RetrievalError(f"index {name!r}: lies in a store, which does not {purpose}; only one in a folder does")
    return index


def refresh_index(workspace: Workspace, name: str) -> Refreshed:
    """Read an index's corpus and make the index hold it; shown as it goes.

    Raises: DataError or RetrievalError as reading, `Store.refresh` and `open_index` do.
    """
    recipe = read_recipe(workspace.folder, name)
    workspace.progress.stage("read", skipped=False)
    documents = read_documents(recipe, name, workspace)
    with closing(open_index(workspace, name)) as index:
        return _hold(index, documents, workspace)


def compact_index(workspace: Workspace, name: str) -> None:
    """Write an index anew in few segments. Raises: as `open_live` and `compact` do."""
    workspace.progress.stage("compact", skipped=False)
    compact(open_live(workspace, name, "compact what it holds"))


def read_documents(recipe: Recipe, name: str, workspace: Workspace) -> Corpus:
    """What an index holds, as its sources are now, cut into passages.

    Raises: DataError if a source can't be read; RetrievalError if documents can't be cut so.
    """
    if recipe.corpus.endswith(".jsonl"):
        corpus = Corpus(name=name, documents=tuple(read_records(Path(recipe.corpus), Document)))
    else:
        declared = read_declaration(corpus_path(recipe.corpus))
        corpus = read_corpus(declared, traces=read_traces, advance=workspace.progress.advance)
    return cut_corpus(corpus, size=recipe.chunk, overlap=recipe.overlap) if recipe.chunk else corpus


def read_recipe(workspace: Path, name: str) -> Recipe:
    """What an index of the workspace is made of.

    Raises: DataError with the nearest known name if there is none.
    """
    folder = index_folder(workspace, name)
    if not (folder / _RECIPE).exists():
        known = known_indexes(workspace)
        hint = nearest(name, known) if known else "there is none; build it first"
        raise DataError(f"index {name!r} ({workspace}): is not in the workspace; {hint}")
    return recipe_in(folder)


def recipe_in(folder: Path) -> Recipe:
    """What the index of a folder is made of. Raises: DataError if nothing says it."""
    return read_record(folder / _RECIPE, Recipe)


def _hold(index: Store, corpus: Corpus, workspace: Workspace) -> Refreshed:
    workspace.progress.stage("index", skipped=False)
    advance: Callable[[int, int], None] = workspace.progress.advance
    total = len(corpus.documents)
    return index.refresh(corpus, progress=lambda done: advance(done, total))


def _place(folder: Path, recipe: Recipe) -> Path | Address:
    """Where an index lies. A URL that holds a secret is refused: it would stand in the recipe."""
    if not recipe.store:
        return folder
    address = Address(recipe.store)
    assert address.kept == recipe.store
    return address


def open_encoder(workspace: Workspace, spec: IndexSpec) -> Embedding | None:
    """The embedding model of an index; none for an index of words."""
    if spec.retriever == "bm25":
        return None
    if spec.embedding is None:
        folder = fetch(load_registry().entry("minilm_tokenizer"), cache=default_cache())
        return Embedder(next(folder.rglob("tokenizer.json")))
    return _connect(workspace, spec.embedding)


def _connect(workspace: Workspace, spec: EmbedSpec) -> Watched:
    from workbench.agents import connect_embedding  # noqa: PLC0415 - what comes with agents takes seconds to import
    from workbench.lms import CallStore  # noqa: PLC0415

    return connect_embedding(spec, store=CallStore(workspace.calls))
