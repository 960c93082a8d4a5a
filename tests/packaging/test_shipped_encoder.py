"""A package carries the cross-encoder of its index, and no graph that is another or reads files of its own."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_package import REQUESTS, make_parts, rule

from workbench.core import ChecksumMismatch, RetrievalError
from workbench.lms import scripted_lm
from workbench.packaging import export_package, load_package, self_test, verify_package
from workbench.packaging.contents import check_contents, read_contents
from workbench.packaging.manifest import MANIFEST, render_manifest
from workbench.retrieval import CrossEncoderSpec, IndexSpec, describe_cross_encoder

GRAPH = "index/cross_encoder.onnx"


def write_encoder(folder: Path) -> CrossEncoderSpec:
    """A graph that adds up token ids, and a tokenizer that knows a word; what weighs is a tensor of one number."""
    folder.mkdir()
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, None])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1])
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["floats", "axes"], ["sum"], keepdims=1),
        helper.make_node("Mul", ["sum", "weight"], ["logits"]),
    ]
    tensors = [
        numpy_helper.from_array(np.array([1], dtype=np.int64), "axes"),
        numpy_helper.from_array(np.array([0.5], dtype=np.float32), "weight"),
    ]
    graph = helper.make_graph(nodes, "sum", [ids], [logits], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    vocabulary = {"[UNK]": 0, "weather": 1}
    tokenizer = {
        "version": "1.0",
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
        "added_tokens": [],
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return describe_cross_encoder(folder)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package whose index was made with an encoder that is gone by now."""
    spec = IndexSpec(retriever="bm25", cross_encoder=write_encoder(tmp_path / "encoder"))
    made = export_package(tmp_path / "dist", make_parts(tmp_path, found_by=spec))
    shutil.rmtree(tmp_path / "encoder")
    return made


def test_it_ships_and_answers(package: Path) -> None:
    """Folder and zip hold it, every test of the package passes, and it answers as before."""
    names = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}

    assert {GRAPH, "index/cross_encoder.json"} <= names
    assert verify_package(package) == verify_package(package.with_name(f"{package.name}.zip"))
    assert [] == [line for line in self_test(package) if not line.passed]
    request, wanted = REQUESTS["q-1"]
    call = load_package(package, lm=scripted_lm(rule)).answer(request).call
    assert (wanted.name, {"city": "Rome"}) == (call.name, call.arguments)


def test_another_graph_is_refused(package: Path) -> None:
    """Although the manifest names it with the right digest: the index's spec names the one that it was made with."""
    model = onnx.load(package / GRAPH)
    model.producer_name = "somebody else"
    onnx.save(model, package / GRAPH)
    contents = {
        path.relative_to(package).as_posix(): path.read_bytes() for path in package.rglob("*") if path.is_file()
    }
    (package / MANIFEST).write_bytes(render_manifest(contents))
    read_contents(package)

    with pytest.raises(RetrievalError, match=r"cross_encoder\.onnx"):
        load_package(package, lm=scripted_lm(rule))


def test_a_graph_that_reads_files_is_refused(tmp_path: Path) -> None:
    """Its weights would come from wherever its path points to; and a graph is nothing that stands elsewhere."""
    write_encoder(tmp_path / "encoder")
    plain = (tmp_path / "encoder" / "model.onnx").read_bytes()
    model = onnx.load_model_from_string(plain)
    onnx.external_data_helper.convert_model_to_external_data(model, location="../secret", size_threshold=0)
    reading = model.SerializeToString()
    assert b"../secret" in reading

    check_contents("p", {GRAPH: plain, MANIFEST: render_manifest({GRAPH: plain})})
    for path, data in ((GRAPH, reading), (GRAPH, b"MZ"), ("index/other.onnx", plain), ("cross_encoder.onnx", plain)):
        with pytest.raises(ChecksumMismatch, match="neither text nor an array"):
            check_contents("p", {path: data, MANIFEST: render_manifest({path: data})})
