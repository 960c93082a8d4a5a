"""A corpus as a person declares it: sources, and for each its licence, its readers, its trust and its freshness.

A declaration is one flat YAML file, `corpora/<name>.yaml`:

    name: helpdesk
    sources:
      - name: articles
        kind: folder
        where: ../docs            # relative to this file
        files: ["**/*.md"]
        licence: CC-BY-4.0
        trust: reviewed
        readers: [everyone]
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from workbench.core import EVERYONE, DataError, Record, Scalar, Trust, nearest
from workbench.datasets.parse import Columns, Names
from workbench.datasets.parsers import ParserName
from workbench.datasets.yaml_lines import Field as Place
from workbench.datasets.yaml_lines import Located, fit, read_located

CORPORA = Path("corpora")
"""The folder of declarations, beside `experiments` and `suites`."""


class Source(Record):
    """What every source says of its documents."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")
    where: str = Field(min_length=1)
    """The folder, file, repository or tracking store, relative to the declaration; or a database's address."""
    licence: str = Field(min_length=1)
    readers: Names = Field(min_length=1)
    """Users and groups who may read it; "everyone" opens it. There is no default. Where `columns.readers` lets each
    document name its own, these are the owners: they may read all of it, and nobody else what names nobody."""
    trust: Trust = "untrusted"
    fresh_hours: float | None = Field(default=None, gt=0)
    """How old a document may be, by the time of its last change; None is for ever."""
    metadata: dict[str, Scalar] = Field(default_factory=dict)
    """Of every document. What a document says of itself never replaces it: filters may rely on it."""

    @property
    def readers_field(self) -> str:
        """The field by which a document names its readers; empty where the source's count for all."""
        return ""

    @model_validator(mode="after")
    def _owners_are_not_everyone(self) -> "Source":
        if self.readers_field and EVERYONE in self.readers:
            raise ValueError(
                f"readers: documents name their own in {self.readers_field!r}, so {EVERYONE!r} would open them all; "
                "name the owners"
            )
        return self

    def place(self, folder: Path) -> Path:
        """Where it is, if it is on this disk; `folder` is the declaration's, which need not exist yet."""
        return Path(os.path.normpath(folder / self.where))


class Content(Source):
    """A source of files."""

    parsers: dict[str, ParserName] = Field(default_factory=dict)
    """A parser for a suffix, where another than the usual is meant, or there is no usual one."""
    columns: Columns = Columns()
    ids: Literal["full", "own"] = "full"
    """"full": source, path and row make a document's id; "own": the row's id alone, as judgments name it."""
    most_megabytes: float = Field(default=64, gt=0, le=2048)
    """The largest file that is read, unpacked if it is packed."""

    @property
    def readers_field(self) -> str:
        """See `Source.readers_field`."""
        return self.columns.readers

    @field_validator("parsers")
    @classmethod
    def _suffixes_have_a_dot(cls, parsers: dict[str, ParserName]) -> dict[str, ParserName]:
        for suffix in parsers:
            if not suffix.startswith(".") or suffix != suffix.lower():
                raise ValueError(f"{suffix!r} is no suffix; write it with its dot, in small letters")
        return parsers


class Tree(Content):
    """A source of many files."""

    files: Names = Field(default=("**/*",), min_length=1)
    """Patterns of paths: * and ? within a name, ** over folders; a name that begins with a dot only matches where the
    pattern has the dot."""
    skip: Names = ()
    """Patterns of paths to leave out."""
    path_metadata: str = ""
    """Metadata in paths, "{product}/{year}/**": a name in braces is a part of the path; digits become a number."""

    @field_validator("files", "skip")
    @classmethod
    def _patterns_stay_inside(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if not pattern or pattern.startswith("/") or ".." in pattern.split("/"):
                raise ValueError(f"pattern {pattern!r} leaves the folder; patterns are relative to it, without '..'")
        return patterns

    @field_validator("path_metadata")
    @classmethod
    def _path_pattern_has_names(cls, pattern: str) -> str:
        names = re.findall(r"\{([A-Za-z_]\w*)\}", pattern)
        if pattern and (not names or len({*names}) < len(names) or len(names) < pattern.count("{")):
            raise ValueError(f"pattern {pattern!r} needs different names in braces, like {{product}}/{{year}}/**")
        return pattern


class FolderSource(Tree):
    """Files in a folder; links are not followed."""

    kind: Literal["folder"]


class FileSource(Content):
    """One file."""

    kind: Literal["file"]


class GitSource(Tree):
    """Files as a repository on this disk has them in one revision; what is not committed is not read."""

    kind: Literal["git"]
    revision: str = Field(default="HEAD", min_length=1)
    """A branch, a tag or a commit."""


class SqlSource(Source):
    """Rows that a database answers one query with, a document each."""

    kind: Literal["sql"]
    password_from: str = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")
    """The environment variable with the password: it never stands in the file."""
    query: str = Field(min_length=1)
    """One SELECT; it runs in a transaction that can't write."""
    columns: Columns
    most_rows: int = Field(default=1_000_000, ge=1)

    @property
    def readers_field(self) -> str:
        """See `Source.readers_field`."""
        return self.columns.readers

    @field_validator("where")
    @classmethod
    def _address_holds_no_password(cls, where: str) -> str:
        if re.search(r"://[^/@\s]*:[^/@\s]*@", where) or re.search(r"(?i)[?&;](password|passwd|pwd)=", where):
            raise ValueError("holds a password; take it out, and name the environment variable with it: password_from")
        if "://" not in where:
            raise ValueError(
                "is no address of a database; write one like sqlite:///tickets.db or postgresql://me@host/db"
            )
        return where

    @field_validator("query")
    @classmethod
    def _query_only_asks(cls, query: str) -> str:
        if not re.match(r"(?i)\s*(select|with)\b", query) or ";" in query.strip().rstrip(";"):
            raise ValueError("must be one SELECT, without a second statement")
        return query.strip().rstrip(";")

    @model_validator(mode="after")
    def _rows_can_be_named_and_dated(self) -> "SqlSource":
        if not self.columns.id:
            raise ValueError("columns.id is missing: rows have no order of their own; name the column of a unique id")
        if self.fresh_hours is not None and not self.columns.changed:
            raise ValueError("fresh_hours needs columns.changed: the column with the time of a row's last change")
        return self


class TraceSource(Source):
    """Requests and answers that a tracking store keeps as traces, a document each."""

    kind: Literal["traces"]
    experiment: str = Field(min_length=1)
    """The experiment's name in the store."""
    reviewed: bool = True
    """Only answers that a person found right; an unreviewed answer is no source to rely on."""
    most_rows: int = Field(default=10_000, ge=1)


AnySource = FolderSource | FileSource | GitSource | SqlSource | TraceSource
SOURCE_KINDS = ("folder", "file", "git", "sql", "traces")


class CorpusSpec(Record):
    """A declaration."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    description: str = ""
    sources: tuple[Annotated[AnySource, Field(discriminator="kind")], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_unique(self) -> "CorpusSpec":
        names = [source.name for source in self.sources]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise ValueError(f"source {name!r} is declared twice; rename one")
        return self


class Declared(NamedTuple):
    """A declaration, and where each part of it stands."""

    path: Path
    spec: CorpusSpec
    lines: Mapping[Place, int]

    @property
    def folder(self) -> Path:
        """What the places of its sources are relative to."""
        return self.path.parent

    def at(self, source: Source) -> str:
        """File and line of a source."""
        names = [one.name for one in self.spec.sources]
        return f"{self.path}:{self.lines.get(('sources', str(names.index(source.name))), 1)}"


def corpus_path(name: str, folder: Path = CORPORA) -> Path:
    """The file of a corpus: `name` itself if it is a YAML file's path, else `folder/name.yaml`.

    >>> corpus_path("helpdesk").as_posix(), corpus_path("other/faq.yaml").as_posix()
    ('corpora/helpdesk.yaml', 'other/faq.yaml')
    """
    return Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"


def read_declaration(path: Path) -> Declared:
    """Read and check a declaration; none of its sources is read.

    Raises: DataError with file, line and field for the first thing that is wrong; an unknown name gets the nearest.
    """
    found = read_located(path, noun="corpus", error=DataError)
    return Declared(path, to_spec(found, path, noun="corpus"), found.lines)


def to_spec(found: Located, path: Path, *, noun: str) -> CorpusSpec:
    """The declaration that a file's data is; `noun` is how an error begins.

    Raises: DataError with file, line and field for the first thing that is wrong.
    """
    for number, source in enumerate(_sources(found.data)):
        kind = source.get("kind")
        if kind not in SOURCE_KINDS:
            where = f"{path}:{found.line(('sources', str(number), 'kind'))}"
            says = "is missing" if kind is None else f"{kind!r} is unknown"
            hint = f"known: {', '.join(SOURCE_KINDS)}" if kind is None else nearest(str(kind), SOURCE_KINDS)
            raise DataError(f"{noun} ({where}): sources.{number}.kind: {says}; {hint}")
    return fit(found, CorpusSpec, noun=noun, path=path, error=DataError)


def _sources(data: object) -> list[dict[str, object]]:
    """The sources of a file that may yet be wrong."""
    sources = data.get("sources") if isinstance(data, dict) else None
    return [source for source in sources if isinstance(source, dict)] if isinstance(sources, list) else []
