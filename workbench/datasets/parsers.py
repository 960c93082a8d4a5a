"""Parsers by suffix: which library reads what, and the way into a packed file."""

import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Literal

from workbench.core import DataError
from workbench.datasets.parse import Input, Outcome, Parsed, Parser, decode
from workbench.datasets.parse_markup import parse_html, parse_markdown
from workbench.datasets.parse_office import parse_docx, parse_pdf
from workbench.datasets.parse_rows import parse_csv, parse_jsonl

ParserName = Literal["text", "code", "markdown", "html", "pdf", "docx", "jsonl", "csv"]

LANGUAGES: Mapping[str, str] = {
    ".bash": "shell",
    ".c": "c",
    ".cc": "c++",
    ".cpp": "c++",
    ".cs": "c#",
    ".css": "css",
    ".go": "go",
    ".h": "c",
    ".hpp": "c++",
    ".java": "java",
    ".js": "javascript",
    ".json": "json",
    ".kt": "kotlin",
    ".php": "php",
    ".proto": "protobuf",
    ".ps1": "powershell",
    ".py": "python",
    ".r": "r",
    ".rb": "ruby",
    ".rs": "rust",
    ".scala": "scala",
    ".sh": "shell",
    ".sql": "sql",
    ".swift": "swift",
    ".toml": "toml",
    ".ts": "typescript",
    ".tsx": "typescript",
    ".xml": "xml",
    ".yaml": "yaml",
    ".yml": "yaml",
}
"""Suffixes of code; the language becomes the metadata field "language"."""


def parse_text(given: Input) -> Iterator[Outcome]:
    """A text as it is, titled by its file's name."""
    yield Parsed(text=decode(given.data), title=PurePosixPath(given.path).name)


def parse_code(given: Input) -> Iterator[Outcome]:
    """Code as it is, with its language."""
    path = PurePosixPath(given.path)
    language = LANGUAGES.get(path.suffix.lower(), "")
    yield Parsed(text=decode(given.data), title=given.path, metadata={"language": language} if language else {})


PARSERS: Mapping[ParserName, Parser] = {
    "text": parse_text,
    "code": parse_code,
    "markdown": parse_markdown,
    "html": parse_html,
    "pdf": parse_pdf,
    "docx": parse_docx,
    "jsonl": parse_jsonl,
    "csv": parse_csv,
}
SUFFIXES: Mapping[str, ParserName] = {
    ".txt": "text",
    ".text": "text",
    ".log": "text",
    ".rst": "text",
    ".adoc": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".mdx": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    **dict.fromkeys(LANGUAGES, "code"),
}
"""The usual parser of each suffix, in small letters."""


def parser_of(path: str, parsers: Mapping[str, ParserName]) -> ParserName | Literal[""]:
    """The parser for a file: the one named for its suffix, else the usual one; empty if there is none.

    >>> parser_of("a/B.MD", {}), parser_of("rows.jsonl.gz", {}), parser_of("photo.png", {})
    ('markdown', 'jsonl', '')
    """
    suffix = PurePosixPath(path.removesuffix(".gz")).suffix.lower()
    return parsers[suffix] if suffix in parsers else SUFFIXES.get(suffix, "")


def parse_file(given: Input, parser: ParserName) -> Iterator[Outcome]:
    """What a parser makes of a file, unpacked first if its name ends in .gz.

    Raises: DataError if nothing of it can be read.
    """
    if given.path.endswith(".gz"):
        given = given._replace(path=given.path.removesuffix(".gz"), data=_unpacked(given))
    yield from PARSERS[parser](given)


def no_parser(path: str) -> str:
    """Why a file is left out, and what would change that."""
    suffix = PurePosixPath(path).suffix.lower()
    if not suffix:
        return "no parser is known for a name without suffix; leave it out with skip"
    known = ", ".join(sorted(PARSERS))
    return f"no parser is known for {suffix!r}; leave it out with skip, or name one under parsers: {known}"


def _unpacked(given: Input) -> bytes:
    try:
        with gzip.open(io.BytesIO(given.data)) as file:
            data = file.read(given.most_bytes + 1)
    except (OSError, EOFError, zlib.error) as cause:
        raise DataError(f"can't be unpacked: {cause}; get the whole file again") from cause
    if len(data) > given.most_bytes:
        raise DataError(
            f"is larger than {given.most_bytes / (1 << 20):g} MB when unpacked; split it, or raise most_megabytes"
        )
    return data
