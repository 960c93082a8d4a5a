"""Live indexes of a workspace as experiments use them: found by name, pinned while an experiment runs."""

from pathlib import Path

from workbench.core import DataError, RetrievalError, nearest
from workbench.datasets import corpus_path, read_declaration
from workbench.lab.indexes import index_folder, known_indexes, read_recipe, recipe_in
from workbench.retrieval import MANIFEST, Encoder, IndexSpec, LiveIndex, copy_live, digest_generation, read_manifest

_PINNED = "live"


def find_live(workspace: Path, name: str) -> Path:
    """The folder of a live index.

    Raises: DataError with the nearest known name if the workspace has none of that name in a folder.
    """
    folder = index_folder(workspace, name)
    if not (folder / MANIFEST).is_file():
        if name in known_indexes(workspace) and (store := read_recipe(workspace, name).store):
            raise DataError(
                f"live index {name!r} ({workspace}): lies in {store}, and an experiment pins one that lies in a "
                "folder; build it there"
            )
        known = known_indexes(workspace, MANIFEST)
        hint = nearest(name, known) if known else "build it with: workbench index build"
        raise DataError(f"live index {name!r} ({workspace}): is not in the workspace; {hint}")
    return folder


def live_spec(workspace: Path, name: str) -> IndexSpec:
    """How a live index finds documents; it is not opened.

    Raises: DataError as `find_live`; RetrievalError if it can't be read.
    """
    return read_manifest(find_live(workspace, name)).spec


def pin(index: LiveIndex, stage: Path, content: str) -> None:
    """Copy the generation of that digest into a stage's folder, unless an interrupted attempt did.

    Raises: RetrievalError if the index holds something else by now.
    """
    if not (stage / _PINNED).exists():
        copy_live(index.folder, stage / _PINNED)
    if digest_generation(LiveIndex(stage / _PINNED, encoder=index.encoder).current()) != content:
        raise RetrievalError(
            f"live index {str(index.folder)!r}: changed while it was copied to {str(stage)!r}; run the experiment again"
        )


def open_pinned(stage: Path, encoder: Encoder | None) -> LiveIndex:
    """The generation that a stage pinned."""
    return LiveIndex(stage / _PINNED, encoder=encoder)


def read_uris(folder: Path) -> dict[str, str]:
    """Where the sources of a live index are read from, by name; nothing where its corpus is no longer declared."""
    try:
        declared = read_declaration(corpus_path(recipe_in(folder).corpus))
    except DataError:
        return {}
    return {source.name: source.where for source in declared.spec.sources}
