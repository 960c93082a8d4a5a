"""What the commands of `workbench corpus` need of several rooms, opened one by one: all of the lab takes seconds."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import yaml
from pydantic import JsonValue

from workbench.cli.progress import Terminal
from workbench.core import ConfigError
from workbench.datasets import (
    CorpusCheck,
    Declaration,
    Reading,
    Row,
    TraceSource,
    add_source,
    check_corpus,
    guess_kind,
    place_from,
    read_declaration,
    read_sources,
)
from workbench.safety import redact

_MARK = re.compile(r"\[([a-z-]+)\]")


def inspect_corpus(path: Path, *, now: datetime) -> CorpusCheck:
    """The corpus that a file declares, read and looked through; what is wrong in a source is a finding.

    Raises: DataError with file and line if the file itself is wrong.
    """
    declared = read_declaration(path)
    with Terminal() as terminal:
        terminal.stage("read", skipped=False)
        reading = read_sources(declared, traces=read_traces, advance=terminal.advance)
        terminal.stage("check", skipped=False)
        return check_corpus(declared, reading, now=now, count_personal=count_personal)


def append(path: Path, entry: Declaration) -> Reading:
    """Read a source and append it to a corpus's file; what it holds.

    Raises: DataError if it is wrong or holds no document; nothing was written then.
    """
    return add_source(path, entry, traces=read_traces)


def declare(
    path: Path, place: str, *, name: str, kind: str, fields: Mapping[str, JsonValue], settings: Sequence[str]
) -> Declaration:
    """A source as a corpus's file at `path` has it: `fields`, and settings as FIELD=VALUE with the value in YAML.

    Without a name it gets the place's last part, without a kind that of what stands there.

    Raises: ConfigError if a setting is none, or names a field twice.
    """
    given = kind or guess_kind(place)
    last = re.sub(r"[^a-z0-9_-]+", "-", Path(place.partition("?")[0]).stem.lower()).strip("-_")
    entry: Declaration = {
        "name": name or last or given,
        "kind": given,
        "where": place_from(path.parent, place),
        **fields,
    }
    for setting in settings:
        field, sign, value = setting.partition("=")
        if not sign or field in entry:
            says = "is given twice" if sign else "has no value; write FIELD=VALUE"
            raise ConfigError(f"setting {setting!r}: {says}")
        try:
            entry[field] = yaml.safe_load(value)
        except yaml.YAMLError as cause:
            raise ConfigError(f"setting {setting!r}: its value is not YAML; put it in quotes") from cause
    return entry


def count_personal(text: str) -> Mapping[str, int]:
    """How many secrets, addresses, phone numbers, cards and accounts a text holds, by kind.

    >>> dict(count_personal("Write to jo@example.org or ann@example.org, see [e-mail]."))
    {'e-mail': 2}
    """
    return Counter(_MARK.findall(redact(text))) - Counter(_MARK.findall(text))


def read_traces(source: TraceSource, folder: Path) -> Iterable[Row]:
    """What `lab.corpora.read_traces` reads: the lab is opened for a source of traces alone."""
    from workbench.lab import corpora

    return corpora.read_traces(source, folder)
