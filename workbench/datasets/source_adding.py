"""A source more in a corpus's file: checked first, then appended, and what people wrote there stays."""

import os
from pathlib import Path

import yaml
from pydantic import JsonValue

from workbench.core import DataError, write_bytes
from workbench.datasets.source import Declared, Source, to_spec
from workbench.datasets.source_reading import Reading, TraceReader, read_sources
from workbench.datasets.yaml_lines import Located, read_located

Declaration = dict[str, JsonValue]
"""A source as a person writes it."""


def guess_kind(place: str) -> str:
    """The kind of source that a place is: an address is a database's; a folder with .git in it is a repository.

    >>> guess_kind("sqlite:///tickets.db"), guess_kind("faq.jsonl")
    ('sql', 'file')
    """
    if "://" in place:
        return "sql"
    if (Path(place) / ".git").exists():
        return "git"
    return "folder" if Path(place).is_dir() else "file"


def place_from(folder: Path, place: str) -> str:
    """A place as a corpus's file in `folder` names it: an address or an absolute path as it is, else from there.

    >>> place_from(Path("corpora"), "docs/articles")
    '../docs/articles'
    """
    if "://" in place or Path(place).is_absolute():
        return place
    return Path(os.path.relpath(place, folder)).as_posix()


def add_source(path: Path, entry: Declaration, *, traces: TraceReader) -> Reading:
    """Read a source, and append it to a corpus's file, which is made if it is missing; what the source holds.

    The file keeps every line it has. Nothing is written if the source can't be read or holds no document.

    Raises: DataError if the entry is wrong, its name is taken, or the file ends in something else than its sources.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else f"name: {path.stem}\nsources:\n"
    old = read_located(path, noun="corpus", error=DataError).data if path.exists() else {"name": path.stem}
    sources = old.get("sources") if isinstance(old, dict) else None
    if not isinstance(old, dict) or not isinstance(sources or [], list):
        raise DataError(f"corpus ({path}:1): is no declaration with a list of sources; correct it first")
    new = {**old, "sources": [*(sources or []), entry]}  # type: ignore[misc]
    spec = to_spec(Located(new, {}), path, noun=f"source {entry.get('name')!r}")
    reading = _read_alone(Declared(path, spec, {}), spec.sources[-1], traces)
    write_bytes(path, _appended(path, before, entry, new).encode())
    return reading


def _read_alone(declared: Declared, source: Source, traces: TraceReader) -> Reading:
    alone = declared.spec.model_copy(update={"sources": (source,)})
    reading = read_sources(declared._replace(spec=alone), traces=traces)
    if not reading.corpus.documents:
        why = reading.omissions[0].reason if reading.omissions else "no file fits its patterns"
        raise DataError(f"source {source.name!r}: holds no document: {why}; nothing was written")
    return reading


def _appended(path: Path, before: str, entry: Declaration, new: JsonValue) -> str:
    """The file's text with the source at its end, indented as the others are."""
    items = (line for line in before.splitlines() if line.lstrip().startswith("- name:"))
    first = next(items, "  - ")
    margin = first[: len(first) - len(first.lstrip())]
    lines = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=10_000).splitlines()
    block = "".join(f"{margin}{line}\n" for line in lines)
    text = f"{before.rstrip()}\n{block}"
    try:
        fits = yaml.safe_load(text) == new
    except yaml.YAMLError:
        fits = False
    if not fits:
        raise DataError(
            f"corpus {str(path)!r}: its sources are not the last thing in it, as a list with a line for each field; "
            f"put this below sources yourself:\n{block}"
        )
    return text
