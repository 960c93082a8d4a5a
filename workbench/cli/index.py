"""`workbench index`: a corpus made searchable, kept fresh, searched in a caller's view, and explained."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workbench.cli.index_tune import tune
from workbench.cli.options import WORKSPACE, Json, Workspace, noun

if TYPE_CHECKING:
    from workbench.lab import Workspace as Folder
    from workbench.retrieval import EmbedSpec, Explanation

app = noun("Build, refresh, search and explain live indexes.")
app.command()(tune)

Name = Annotated[str, typer.Argument(help="The index's name in the workspace.")]
Query = Annotated[str, typer.Argument(help="What is looked for.")]
Most = Annotated[int, typer.Option("-k", help="At most so many passages.")]
User = Annotated[str | None, typer.Option("--as", help="Who asks. Without it: somebody of whom nothing is known.")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="A group that the caller belongs to; repeatable.")]
Where = Annotated[
    list[str] | None,
    typer.Option(help="FIELD=VALUE, FIELD>=VALUE or FIELD<=VALUE on metadata, source, trust or licence; repeatable."),
]

Retriever = Annotated[
    Literal["bm25", "dense", "hybrid"] | None, typer.Option(help="Words, meanings, or both, which is the default.")
]
Analyzer = Annotated[
    Literal["code", "code_english", "words", "english"] | None,
    typer.Option(help="How text becomes words: names split (code, the default) or not, English endings cut or not."),
]
Spec = Annotated[
    Path | None,
    typer.Option(
        help="A file with all knobs, as `index tune --out` writes it; instead of retriever, analyzer and embedding."
    ),
]
Store = Annotated[
    str,
    typer.Option(
        help="Where it lies, if not in the workspace: postgresql://USER@HOST/DATABASE, s3://BUCKET/FOLDER or "
        "https://HOST:6333 (Qdrant). ${NAME} stands for a variable of the environment, such as a password."
    ),
]


@app.command()
def build(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    name: Name,
    corpus: Annotated[str, typer.Argument(help="A corpus of the folder corpora, its file, or documents as .jsonl.")],
    retriever: Retriever = None,
    analyzer: Analyzer = None,
    spec: Spec = None,
    chunk: Annotated[int, typer.Option(min=0, help="Most characters of a passage; 0 leaves documents whole.")] = 0,
    overlap: Annotated[int, typer.Option(min=0, help="Characters that the next passage may repeat.")] = 0,
    store: Store = "",
    embedding: Annotated[
        str,
        typer.Option(help="A provider's embedding model, as the provider spells it. Without it: the embedded one."),
    ] = "",
    base_url: Annotated[str, typer.Option(help="Where that model listens, as https://HOST/v1.")] = "",
    key_env: Annotated[str | None, typer.Option(help="The environment variable with that model's key.")] = None,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Make a corpus searchable. Stopped half-way it is kept, and `refresh` goes on."""
    from workbench.cli.index_view import read_spec
    from workbench.cli.progress import Terminal
    from workbench.cli.render import show
    from workbench.lab import Workspace as Folder
    from workbench.lab.indexes import Recipe, build_index

    recipe = Recipe(corpus=corpus, chunk=chunk, overlap=overlap, store=store)
    with Terminal() as terminal:
        folder = Folder(workspace, terminal)
        # With a file, which holds its own, no model is asked: that both are given is refused first.
        model = None if spec else _embedding(folder, embedding, base_url, key_env)
        chosen = {"retriever": retriever, "analyzer": analyzer, "embedding": model or embedding or None}
        done = build_index(folder, name, recipe, read_spec(spec, chosen))
    show(f"{done}\nnext: uv run workbench index search {name} QUERY", done, as_json=as_json)


@app.command()
def refresh(
    name: Name,
    compact: Annotated[
        bool, typer.Option("--compact", help="Write it anew in few segments: no byte of what was deleted remains.")
    ] = False,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Make an index hold its corpus as that is now; whoever searches it meanwhile sees the old or the new."""
    from workbench.cli.progress import Terminal
    from workbench.cli.render import show
    from workbench.lab import Workspace as Folder
    from workbench.lab.indexes import compact_index, refresh_index

    with Terminal() as terminal:
        done = refresh_index(Folder(workspace, terminal), name)
        if compact:
            compact_index(Folder(workspace, terminal), name)
    show(str(done), done, as_json=as_json)


@app.command()
def search(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    name: Name,
    query: Query,
    k: Most = 5,
    user: User = None,
    group: Groups = None,
    where: Where = None,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Find what the caller may see; what is older than its source allows is marked as stale."""
    from workbench.cli.index_view import read_view
    from workbench.cli.render import show, table
    from workbench.lab import Workspace as Folder
    from workbench.lab.indexes import open_index

    with closing(open_index(Folder(workspace), name)) as index:
        found = index.passages(query, k, read_view(user, group or (), where or ()))
    rows = []
    for rank, one in enumerate(found, start=1):
        origin = one.document.origin
        place = f"{origin.source}:{origin.path}[{origin.start}:{origin.end}]" if origin else "made here"
        label = f"{origin.trust if origin else 'trusted'}{', stale' if one.stale else ''}"
        text = " ".join(one.document.text.split())[:60]
        rows.append((str(rank), f"{one.hit.score:.4f}", one.hit.doc_id, label, place, text))
    text = table(("rank", "score", "id", "trust", "source", "text"), rows) if rows else "nothing is found"
    show(text, list(found), as_json=as_json)


@app.command()
def explain(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    name: Name,
    query: Query,
    k: Most = 5,
    user: User = None,
    group: Groups = None,
    where: Where = None,
    workspace: Workspace = WORKSPACE,
    as_json: Json = False,
) -> None:
    """Show every score that makes the ranking of a query."""
    from workbench.cli.index_view import read_view
    from workbench.cli.render import show
    from workbench.lab import Workspace as Folder
    from workbench.lab.indexes import open_live
    from workbench.retrieval import explain as reasons

    index = open_live(Folder(workspace), name, "explain a ranking")
    found = reasons(index, query, k, read_view(user, group or (), where or ()))
    show(_text(found), found, as_json=as_json)


@app.command()
def stats(name: Name, workspace: Workspace = WORKSPACE, as_json: Json = False) -> None:
    """Show what an index is made of: documents, passages, segments, bytes, tombstones, generation, stale share."""
    from workbench.cli.render import show, table
    from workbench.lab import Workspace as Folder
    from workbench.lab.indexes import open_index

    with closing(open_index(Folder(workspace), name)) as index:
        found = index.stats()
    rows = [(field, str(value)) for field, value in found.model_dump().items()]
    share = f"{found.stale / found.documents:.1%}" if found.documents else "-"
    show(table(("what", "value"), [*rows, ("stale share", share)]), found, as_json=as_json)


def _embedding(workspace: "Folder", model: str, base_url: str, key_env: str | None) -> "EmbedSpec | None":
    """The provider's model that was named, as it answers now; None if none was.

    Raises: ConfigError if only a part of it is named; RetrievalError if it does not answer.
    """
    from workbench.core import ConfigError
    from workbench.lab.indexes import measure_embedding
    from workbench.retrieval import EmbedSpec

    if bool(model) is not bool(base_url) or (key_env and not model):
        raise ConfigError(
            f"embedding model {model!r} at {base_url!r}: a provider's model has a name and an address; give "
            "--embedding and --base-url, or neither and no --key-env"
        )
    if not model:
        return None
    return measure_embedding(workspace, EmbedSpec(model=model, base_url=base_url, key_env=key_env, dimensions=1))


def _text(found: "Explanation") -> str:
    from workbench.cli.render import table

    known = ("bm25", "bm25_rank", "dense_similarity", "dense_rank", "feedback_similarity", "cross_encoder")
    names = [name for name in known if any(name in one.hit.parts for one in found.hits)]
    rows = []
    for reasons in found.hits:
        hit = reasons.hit
        parts = (f"{hit.parts[part]:.4g}" if part in hit.parts else "-" for part in names)
        added = " + ".join(f"{one.score:.4f} {one.word}×{one.count}" for one in reasons.words)
        rows.append((hit.doc_id, f"{hit.score:.5f}", *parts, str(reasons.length), f"{reasons.length_norm:.3f}", added))
    head = f"{found.retriever} {found.fusion}".strip()
    seen = f"{found.visible} of {found.documents} documents are visible, {found.average_length:.1f} words on average"
    weights = [(one.word, str(one.documents), f"{one.idf:.4f}", f"{one.share:.3f}") for one in found.words]
    words = table(("word", "documents", "idf", "share"), weights)
    hits = table(("id", "score", *names, "words", "length norm", "from words"), rows)
    return f"{head}, generation {found.generation}: {seen}\n\n{words}\n\n{hits}"
