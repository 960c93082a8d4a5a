"""`workbench corpus`: where an agent's documents come from, who may read them, and how fresh they are."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.options import Json, noun

if TYPE_CHECKING:
    from workbench.datasets import CorpusCheck, CorpusFinding, Declaration, SourceSummary

app = noun("Declare, check and show corpora.")
Name = Annotated[str, typer.Argument(help="A corpus of the folder corpora, or the path of its YAML file.")]
EXAMPLES = 5  # paths of a finding that the text shows; the JSON has all

KINDS = "folder, file, git, sql or traces; else by what stands at the place."
SETTINGS = """Any other field of the source as FIELD=VALUE, the value as YAML: files='["**/*.md"]', fresh_hours=24,
metadata='{product: vpn}', query='SELECT id, text FROM faq'. May be repeated."""


@app.command()
def add(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    name: Name,
    path: Annotated[str, typer.Argument(help="A folder, file, repository or tracking store; or a database's address.")],
    licence: Annotated[str, typer.Option(help="Under which its documents may be used.")],
    readers: Annotated[list[str], typer.Option(help="Who may read it, with commas; everyone opens it.")],
    trust: Annotated[str, typer.Option(help="trusted, reviewed or untrusted.")] = "untrusted",
    kind: Annotated[str, typer.Option(help=KINDS)] = "",
    source: Annotated[str, typer.Option("--name", help="The source's name; else the place's last part.")] = "",
    settings: Annotated[list[str] | None, typer.Option("--set", help=SETTINGS)] = None,
    as_json: Json = False,
) -> None:
    """Read a source, and append it to a corpus's file if it holds documents; the file keeps its lines."""
    from workbench.cli.corpus_sources import append, declare
    from workbench.cli.render import show
    from workbench.datasets import corpus_path

    file = corpus_path(name)
    named = [reader.strip() for several in readers for reader in several.split(",")]
    rights: Declaration = {"licence": licence, "trust": trust, "readers": [*named]}
    reading = append(file, declare(file, path, name=source, kind=kind, fields=rights, settings=settings or ()))
    counts = f"documents: {len(reading.corpus.documents)}, left out: {len(reading.omissions)}"
    show(f"{file}: {counts}\nnext: uv run workbench corpus check {name}", list(reading.omissions), as_json=as_json)


@app.command()
def check(name: Name, as_json: Json = False) -> None:
    """Read every source and say what is wrong with it, what is stale, what is there twice, and personal data.

    Ends with 2 if something must be put right, else with 1 if a source is older than it may be.
    """
    from workbench.cli.corpus_sources import inspect_corpus
    from workbench.cli.render import show
    from workbench.datasets import corpus_path

    found = inspect_corpus(corpus_path(name), now=datetime.now(UTC))
    show("\n".join(map(_line, found.findings)) or f"{found.name}: all fine", found, as_json=as_json)
    raise typer.Exit(_code(found))


@app.command("show")
def show_corpus(name: Name, as_json: Json = False) -> None:
    """Show a corpus by source: documents, licence, trust, readers, age and digest. Ends as check does."""
    from workbench.cli.corpus_sources import inspect_corpus
    from workbench.cli.render import show
    from workbench.datasets import corpus_path

    now = datetime.now(UTC)
    found = inspect_corpus(corpus_path(name), now=now)
    problems = len(found.of("problem"))
    following = f"\nproblems: {problems}; next: uv run workbench corpus check {name}" if problems else ""
    show(f"{_table(found, now)}{following}", found, as_json=as_json)
    raise typer.Exit(_code(found))


def _code(found: "CorpusCheck") -> int:
    if found.of("problem"):
        return 2
    return 1 if found.of("stale") else 0


def _line(finding: "CorpusFinding") -> str:
    more = f" and {len(finding.paths) - EXAMPLES} more" if len(finding.paths) > EXAMPLES else ""
    about = f"\n         {', '.join(finding.paths[:EXAMPLES])}{more}" if finding.paths else ""
    return f"{finding.level:<7}  source {finding.source!r} ({finding.where}): {finding.message}{about}"


def _table(found: "CorpusCheck", now: datetime) -> str:
    from workbench.cli.render import table
    from workbench.core import short

    rows: list[Sequence[str]] = []
    for one in found.sources:
        counts = (str(one.documents), str(one.characters), str(one.omitted))
        rights = (one.licence, one.trust, ", ".join(one.readers))
        rows.append(
            (one.name, one.kind, *counts, *rights, _age(one, now), _freshness(one), short(one.documents_digest))
        )
    documents, characters, omitted = (str(sum(int(row[column]) for row in rows)) for column in (2, 3, 4))
    rows.append((found.name, "", documents, characters, omitted, "", "", "", "", "", short(found.documents_digest)))
    heads = ("source", "kind", "documents", "characters", "omitted", "licence", "trust", "readers")
    return table((*heads, "age", "fresh", "digest"), rows)


def _age(source: "SourceSummary", now: datetime) -> str:
    """How long ago the newest and the oldest document last changed."""
    ages = [_length(now, time) for time in (source.newest, source.oldest) if time]
    return " to ".join(dict.fromkeys(ages))


def _length(now: datetime, time: str) -> str:
    hours = (now - datetime.fromisoformat(time)).total_seconds() / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} d"


def _freshness(source: "SourceSummary") -> str:
    if source.fresh_hours is None:
        return "for ever"
    rule = f"{source.fresh_hours:g} h"
    return f"{source.stale} older than {rule}" if source.stale else f"within {rule}"
