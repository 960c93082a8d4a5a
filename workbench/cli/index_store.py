"""Live indexes of a workspace, found by the names that people type, each with the recipe it is refreshed by.

An index lies in the workspace, or in the store that its recipe names.
"""

import json
import re
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from pydantic import Field

from workbench.cli.corpus_sources import read_traces
from workbench.cli.progress import Terminal
from workbench.core import (
    ConfigError,
    Corpus,
    DataError,
    Document,
    Record,
    RetrievalError,
    Scalar,
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
from workbench.retrieval import (
    MANIFEST,
    Address,
    Condition,
    Embedder,
    IndexSpec,
    LiveIndex,
    Refreshed,
    Store,
    View,
    compact,
    create_store,
    cut_corpus,
    open_store,
    stored_spec,
)

_RECIPE = "recipe.json"
_CONDITION = re.compile(r"(?P<field>[^<>=]+)(?P<sign>>=|<=|=)(?P<value>.*)", re.DOTALL)


class Recipe(Record):
    """What an index is made of, by which it is refreshed."""

    corpus: str
    """A corpus's name, its file, or a file of documents as JSON Lines."""
    chunk: int = Field(default=0, ge=0)
    overlap: int = Field(default=0, ge=0)
    store: str = ""
    """The URL of the store that holds it, without secrets; empty: the workspace."""


def build_index(workspace: Path, name: str, recipe: Recipe, spec: IndexSpec) -> Refreshed:
    """Read a corpus and make an index of it; shown as it goes. Nothing is made if the corpus can't be read.

    Raises: ConfigError if the name is none; DataError if the corpus can't be read; RetrievalError if there is an index
        of this name, no disk for it, or its store can't be reached or its URL holds a secret.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name):
        raise ConfigError(f"index {name!r}: is no name; use small letters, digits, '-', '_' and '.'")
    folder = workspace / "indexes" / name
    where = _place(folder, recipe)
    if (folder / _RECIPE).exists() and (known := _recipe(workspace, name)).store != recipe.store:
        raise RetrievalError(
            f"index {name!r} ({workspace}): is there already, in {known.store or 'the workspace'}; choose another name"
        )
    with Terminal() as terminal:
        terminal.stage("read", skipped=False)
        documents = read_documents(recipe, name, terminal)
        if not recipe.store and not (folder / MANIFEST).exists():
            write_record(folder / _RECIPE, recipe)
        with closing(
            create_store(where, name, spec, encoder=None if spec.retriever == "bm25" else _encoder())
        ) as store:
            if recipe.store:
                write_record(folder / _RECIPE, recipe)
            return _hold(store, documents, terminal)


def open_index(workspace: Path, name: str) -> Store:
    """An index of the workspace, wherever it lies.

    Raises: DataError if there is none; RetrievalError if it can't be read or reached.
    """
    where = _place(workspace / "indexes" / name, _recipe(workspace, name))
    encoder = None if stored_spec(where, name).retriever == "bm25" else _encoder()
    return open_store(where, name, encoder=encoder)


def open_live(workspace: Path, name: str, purpose: str) -> LiveIndex:
    """An index that lies in the workspace.

    Raises: as `open_index`; RetrievalError if it lies in a store, which can't serve the purpose.
    """
    index = open_index(workspace, name)
    if not isinstance(index, LiveIndex):
        index.close()
        raise RetrievalError(f"index {name!r}: lies in a store, which does not {purpose}; only one in a folder does")
    return index


def refresh_index(workspace: Path, name: str) -> Refreshed:
    """Read an index's corpus and make the index hold it; shown as it goes.

    Raises: DataError or RetrievalError as reading, `Store.refresh` and `open_index` do.
    """
    recipe = _recipe(workspace, name)
    with Terminal() as terminal:
        terminal.stage("read", skipped=False)
        documents = read_documents(recipe, name, terminal)
        with closing(open_index(workspace, name)) as index:
            return _hold(index, documents, terminal)


def compact_index(workspace: Path, name: str) -> None:
    """Write an index anew in few segments. Raises: as `open_live` and `compact` do."""
    with Terminal() as terminal:
        terminal.stage("compact", skipped=False)
        compact(open_live(workspace, name, "compact what it holds"))


def read_documents(recipe: Recipe, name: str, terminal: Terminal) -> Corpus:
    """What an index holds, as its sources are now, cut into passages.

    Raises: DataError if a source can't be read; RetrievalError if documents can't be cut so.
    """
    if recipe.corpus.endswith(".jsonl"):
        corpus = Corpus(name=name, documents=tuple(read_records(Path(recipe.corpus), Document)))
    else:
        corpus = read_corpus(read_declaration(corpus_path(recipe.corpus)), traces=read_traces, advance=terminal.advance)
    return cut_corpus(corpus, size=recipe.chunk, overlap=recipe.overlap) if recipe.chunk else corpus


def read_view(user: str | None, groups: Sequence[str], where: Sequence[str]) -> View:
    """A view from what a person typed.

    Raises: ConfigError if a condition is none.

    >>> read_view("ann", ["sales"], ["year>=2020", "product=vpn"]).where[0].at_least
    2020
    """
    principals = tuple(sorted({*([user] if user else []), *groups}))
    return View(principals=principals, where=tuple(_condition(one) for one in where))


def _condition(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ConfigError(f"condition {text!r}: has no =, >= or <=; write it as FIELD=VALUE")
    field, value = found["field"].strip(), _value(found["value"].strip())
    match found["sign"]:
        case ">=":
            return Condition(field=field, at_least=value)
        case "<=":
            return Condition(field=field, at_most=value)
        case _:
            return Condition(field=field, one_of=(value,))


def _value(text: str) -> Scalar:
    """A number or a truth value where the text is one in JSON, else the text; in quotes it is always text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | int | float | bool) else text


def _hold(index: Store, corpus: Corpus, terminal: Terminal) -> Refreshed:
    terminal.stage("index", skipped=False)
    total = len(corpus.documents)
    return index.refresh(corpus, progress=lambda done: terminal.advance(done, total))


def _place(folder: Path, recipe: Recipe) -> Path | Address:
    """Where an index lies. A URL that holds a secret is refused: it would stand in the recipe."""
    if not recipe.store:
        return folder
    address = Address(recipe.store)
    assert address.kept == recipe.store
    return address


def _recipe(workspace: Path, name: str) -> Recipe:
    path = workspace / "indexes" / name / _RECIPE
    if not path.exists():
        known = [path.parent.name for path in (workspace / "indexes").glob(f"*/{_RECIPE}")]
        hint = nearest(name, known) if known else "there is none; build it first"
        raise DataError(f"index {name!r} ({workspace}): is not in the workspace; {hint}")
    return read_record(path, Recipe)


def _encoder() -> Embedder:
    folder = fetch(load_registry().entry("minilm_tokenizer"), cache=default_cache())
    return Embedder(next(folder.rglob("tokenizer.json")))
