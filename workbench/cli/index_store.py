"""Live indexes of a workspace, found by the names that people type, each with the recipe it is refreshed by."""

import json
import re
from collections.abc import Sequence
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
    Condition,
    Embedder,
    IndexSpec,
    LiveIndex,
    Refreshed,
    View,
    compact,
    create_live,
    cut_corpus,
)
from workbench.retrieval import refresh as refresh_live
from workbench.retrieval.live_manifest import MANIFEST, read_manifest

_RECIPE = "recipe.json"
_CONDITION = re.compile(r"(?P<field>[^<>=]+)(?P<sign>>=|<=|=)(?P<value>.*)", re.DOTALL)


class Recipe(Record):
    """What an index is made of, by which it is refreshed."""

    corpus: str
    """A corpus's name, its file, or a file of documents as JSON Lines."""
    chunk: int = Field(default=0, ge=0)
    overlap: int = Field(default=0, ge=0)


def build_index(workspace: Path, name: str, recipe: Recipe, spec: IndexSpec) -> Refreshed:
    """Read a corpus and make an index of it; shown as it goes. Nothing is made if the corpus can't be read.

    Raises: ConfigError if the name is none; DataError if the corpus can't be read; RetrievalError if there is an index
        of this name, or no disk for it.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name):
        raise ConfigError(f"index {name!r}: is no name; use small letters, digits, '-', '_' and '.'")
    folder = workspace / "indexes" / name
    with Terminal() as terminal:
        terminal.stage("read", skipped=False)
        documents = read_documents(recipe, name, terminal)
        if not (folder / MANIFEST).exists():
            write_record(folder / _RECIPE, recipe)
        create_live(folder, name, spec, model="" if spec.retriever == "bm25" else Embedder.digest)
        return _hold(open_index(workspace, name), documents, terminal)


def open_index(workspace: Path, name: str) -> LiveIndex:
    """An index of the workspace.

    Raises: DataError if there is none; RetrievalError if it can't be read.
    """
    folder = workspace / "indexes" / name
    if not (folder / _RECIPE).exists():
        known = [path.parent.name for path in (workspace / "indexes").glob(f"*/{_RECIPE}")]
        hint = nearest(name, known) if known else "there is none; build it first"
        raise DataError(f"index {name!r} ({workspace}): is not in the workspace; {hint}")
    return LiveIndex(folder, encoder=None if read_manifest(folder).spec.retriever == "bm25" else _encoder())


def refresh_index(workspace: Path, name: str) -> Refreshed:
    """Read an index's corpus and make the index hold it; shown as it goes.

    Raises: DataError or RetrievalError as reading, `refresh_live` and `open_index` do.
    """
    recipe = _recipe(workspace, name)
    with Terminal() as terminal:
        terminal.stage("read", skipped=False)
        documents = read_documents(recipe, name, terminal)
        return _hold(open_index(workspace, name), documents, terminal)


def compact_index(workspace: Path, name: str) -> None:
    """Write an index anew in few segments. Raises: as `open_index` and `compact` do."""
    with Terminal() as terminal:
        terminal.stage("compact", skipped=False)
        compact(open_index(workspace, name))


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


def _hold(index: LiveIndex, corpus: Corpus, terminal: Terminal) -> Refreshed:
    terminal.stage("index", skipped=False)
    total = len(corpus.documents)
    return refresh_live(index, corpus, progress=lambda done: terminal.advance(done, total))


def _recipe(workspace: Path, name: str) -> Recipe:
    open_index(workspace, name)  # an unknown name is said so
    return read_record(workspace / "indexes" / name / _RECIPE, Recipe)


def _encoder() -> Embedder:
    folder = fetch(load_registry().entry("minilm_tokenizer"), cache=default_cache())
    return Embedder(next(folder.rglob("tokenizer.json")))
