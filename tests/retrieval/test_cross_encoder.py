"""A cross-encoder of this disk orders the first hits by what its graph says, and only the one that is named does."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from workbench.core import EVERYONE, Corpus, Document, Origin, RetrievalError
from workbench.retrieval import ANYONE, IndexSpec, View, build_index, read_index, write_index
from workbench.retrieval.cross_encoder import CrossEncoder, CrossEncoderSpec, describe_cross_encoder

WORDS = ("[UNK]", "heron", "river", "fish", "a", "the")
TEXTS = {"a": "heron heron heron", "b": "heron fish the river", "c": "heron fish", "d": "heron river river river"}
CORPUS = Corpus(
    name="c",
    documents=tuple(
        Document(doc_id=name, text=text, origin=Origin(source="s", readers=("board",) if name == "d" else (EVERYONE,)))
        for name, text in TEXTS.items()
    ),
)


def write_model(folder: Path, outputs: int = 1) -> Path:
    """A graph whose score is the sum of its token ids, "river" at 2 and "fish" at 3; and a tokenizer of six words."""
    folder.mkdir()
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, None])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, outputs])
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["floats", "axes"], ["sum"], keepdims=1),
        helper.make_node("Concat", ["sum"] * outputs, ["logits"], axis=1),
    ]
    axes = numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")
    graph = helper.make_graph(nodes, "sum", [ids], [logits], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    tokenizer = {
        "version": "1.0",
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {word: at for at, word in enumerate(WORDS)}, "unk_token": "[UNK]"},
        "added_tokens": [],
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def spec_of(folder: Path, **knobs: object) -> IndexSpec:
    """An index of words before it."""
    return IndexSpec.model_validate({"retriever": "bm25", "cross_encoder": describe_cross_encoder(folder)} | knobs)


def test_hits_are_ordered_by_what_the_graph_says(tmp_path: Path) -> None:
    """heron 1, river 2, fish 3, the 5: query and text are summed; hits keep how they were found."""
    index = build_index(CORPUS, spec_of(write_model(tmp_path / "m")))
    found = index.search("heron", 3)

    assert [("b", 12.0), ("c", 5.0), ("a", 4.0)] == [(hit.doc_id, hit.score) for hit in found]
    assert all({"bm25", "bm25_rank", "cross_encoder", "first_score"} <= hit.parts.keys() for hit in found)
    assert ("b",) == tuple(hit.doc_id for hit in index.search("heron", 1))
    assert "d" in {hit.doc_id for hit in index.search("heron", 4, View(principals=("board",)))}
    assert () == index.search(" ", 3, ANYONE)


def test_only_the_first_are_read(tmp_path: Path) -> None:
    """At depth 1 the best by words is read and returned; what is asked for is read at least."""
    folder = write_model(tmp_path / "m")
    narrow = describe_cross_encoder(folder).model_copy(update={"depth": 1})
    index = build_index(CORPUS, spec_of(folder, cross_encoder=narrow))

    assert ["a"] == [hit.doc_id for hit in index.search("heron", 1)]
    assert 3 == len(index.search("heron", 3))


def test_the_text_is_cut_and_never_the_query(tmp_path: Path) -> None:
    """Of eight tokens the query takes three, and the text the rest."""
    folder = write_model(tmp_path / "m")
    spec = describe_cross_encoder(folder)
    encoder = CrossEncoder(folder / "model.onnx", folder / "tokenizer.json", spec)

    assert [3 * 2 + 5 * 3] == encoder.score("river river river", ["fish " * 20], tokens=8).tolist()


def test_a_written_index_carries_its_encoder(tmp_path: Path) -> None:
    """It answers alike after the folder is gone; a changed file in it is refused."""
    folder = write_model(tmp_path / "m")
    index = build_index(CORPUS, spec_of(folder))
    write_index(tmp_path / "index", index)
    for path in folder.iterdir():
        path.unlink()
    read = read_index(tmp_path / "index")

    assert (index.digest, index.search("heron", 3)) == (read.digest, read.search("heron", 3))
    (tmp_path / "index" / "cross_encoder.onnx").write_bytes(b"other")
    with pytest.raises(RetrievalError, match=r"cross_encoder\.onnx"):
        read_index(tmp_path / "index")


def test_another_model_than_the_named_is_refused(tmp_path: Path) -> None:
    """Absent, changed, no graph, too many outputs: each is said, with what to do."""
    folder = write_model(tmp_path / "m")
    spec = spec_of(folder)
    with pytest.raises(RetrievalError, match=r"has no file 'model\.onnx'"):
        describe_cross_encoder(tmp_path / "nowhere")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(RetrievalError, match=r"'tokenizer\.json' has SHA-256 .* put back the one"):
        build_index(CORPUS, spec)
    (folder / "model.onnx").unlink()
    with pytest.raises(RetrievalError, match=r"'model\.onnx' can't be read"):
        build_index(CORPUS, spec)
    two = build_index(CORPUS, spec_of(write_model(tmp_path / "two", outputs=2)))
    with pytest.raises(RetrievalError, match="gives 2 numbers for a pair"):
        two.search("heron", 1)
    (tmp_path / "two" / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(RetrievalError, match="can't be opened"):
        build_index(CORPUS, spec_of(tmp_path / "two"))


def test_the_spec_names_all_that_decides() -> None:
    """A digest that is none is refused."""
    with pytest.raises(ValueError, match="model_sha256"):
        CrossEncoderSpec(folder="m", model_sha256="x", tokenizer_sha256="0" * 64)
