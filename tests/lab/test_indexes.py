"""Live indexes of a workspace are found by name, made only as they can be, and opened without what they don't need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.core import DataError, Document, RetrievalError, write_record, write_records
from workbench.lab.indexes import (
    Recipe,
    build_index,
    index_folder,
    known_indexes,
    open_live,
    read_recipe,
    refresh_index,
)
from workbench.lab.live import find_live, read_uris
from workbench.lab.workspace import Workspace
from workbench.retrieval import IndexSpec

WORDS = IndexSpec(retriever="bm25", expansion=3)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """What an index is made of."""
    write_records(tmp_path / "d.jsonl", [Document(doc_id="a", text="river"), Document(doc_id="b", text="boat")])
    return tmp_path / "d.jsonl"


def test_it_is_built_opened_and_refreshed_by_name(tmp_path: Path, documents: Path) -> None:
    """With the knobs that it was asked for; an experiment finds it in the same place."""
    workspace = Workspace(tmp_path / "work")
    recipe = Recipe(corpus=str(documents))
    built = build_index(workspace, "kb", recipe, WORDS)
    write_records(documents, [Document(doc_id="a", text="river"), Document(doc_id="c", text="stone")])
    refreshed = refresh_index(workspace, "kb")
    index = open_live(workspace, "kb", "answer")

    assert (2, 1, 1) == (built.added, refreshed.added, refreshed.deleted)
    assert (WORDS, ["c"]) == (index.spec, [hit.doc_id for hit in index.search("stone", 5)])
    assert index_folder(workspace.folder, "kb") == find_live(workspace.folder, "kb") == index.folder
    assert (["kb"], recipe) == (known_indexes(workspace.folder), read_recipe(workspace.folder, "kb"))
    assert {} == read_uris(index.folder)


def test_what_can_not_be_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    """The corpus is not even looked for, in a folder or in a store."""
    workspace = Workspace(tmp_path / "work")
    recipes = [Recipe(corpus="missing.jsonl"), Recipe(corpus="missing.jsonl", store=f"qdrant://{tmp_path}/q")]
    for recipe in recipes:
        with pytest.raises(RetrievalError, match="does not do 'aspects' of an index spec"):
            build_index(workspace, "kb", recipe, IndexSpec(retriever="bm25", aspects=3))
    with pytest.raises(RetrievalError, match="does not do 'expansion' of an index spec"):
        build_index(workspace, "kb", recipes[1], WORDS)

    assert [] == list(tmp_path.iterdir())


def test_an_experiment_is_told_where_an_index_lies_instead(tmp_path: Path) -> None:
    """One that lies in a store can't be pinned."""
    write_record(index_folder(tmp_path, "far") / "recipe.json", Recipe(corpus="d", store="lance:///srv/shared"))

    with pytest.raises(
        DataError, match="lies in lance:///srv/shared, and an experiment pins one that lies in a folder"
    ):
        find_live(tmp_path, "far")
    with pytest.raises(DataError, match='did you mean "far"'):
        read_recipe(tmp_path, "fare")


def test_a_command_on_an_index_loads_no_library_of_models_or_experiments() -> None:
    """They take seconds to import, at every search."""
    program = "import json, sys, workbench.lab, workbench.lab.indexes; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)

    assert not {"dspy", "mlflow", "ragas", "lightgbm", "matplotlib", "scipy", "workbench.agents"} & {*loaded}
